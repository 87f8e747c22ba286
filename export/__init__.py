"""From a trained policy to what a box loads."""

import agent  # noqa: F401  # before anything that imports onnxruntime, as in training

"""The lab: teachers, playgrounds and training. Imports torch; may import ``agent``."""

import agent  # noqa: F401  # before anything that imports onnxruntime: it says what to keep quiet about

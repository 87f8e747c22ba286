"""From a trained policy to what a box loads."""

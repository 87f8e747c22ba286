"""The lab: teachers, playgrounds and training. Imports torch; may import ``agent``."""

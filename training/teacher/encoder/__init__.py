"""A teacher that only reads: an encoder with a classifier, of the same text and the same size."""

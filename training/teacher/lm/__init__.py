"""A small language model of our own: tokeniser, decoder, training, and its file for llama.cpp."""

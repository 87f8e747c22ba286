"""CAGE Challenge 2 as a batched simulator: exact, fast, on CPU or CUDA."""

"""The analyzer's jobs: each opens its inputs, calls the science, and writes a dataset."""

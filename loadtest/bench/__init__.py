"""Side-by-side ratios: `python -m loadtest.bench`."""

"""Load on a running Saxaul, over HTTP only."""

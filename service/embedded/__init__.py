"""The embedded default: real servers from wheels, and the supervisor of `saxaul up`."""

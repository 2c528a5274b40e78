"""Does the suite notice a fault? `make mutants` puts faults in, one at a time, and asks."""

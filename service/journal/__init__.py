"""The append-only record of committed batches, from which every projection is made."""

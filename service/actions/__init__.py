"""Recorded actions: read back, explained by receipts, taken back, transferred to other schemes."""

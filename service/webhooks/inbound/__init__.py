"""Merchants' own payloads in: verified, read by a connector, reported as events."""

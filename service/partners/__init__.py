"""Callers: partners with their sources and keys, and people with their tokens."""

"""Grams become points by policy; points ripen, are collected, and may lapse."""

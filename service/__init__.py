"""Saxaul: green actions in, estimated avoided emissions and points out, totals against a goal."""

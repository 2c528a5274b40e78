"""Test mode: the application over the schema `sandbox`, and the wiping of test data."""

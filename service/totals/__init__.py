"""Estimated avoided emissions, added up: live in Valkey, durable in PostgreSQL, proved equal."""

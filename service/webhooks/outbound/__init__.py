"""Notices out: from the journal to partners' endpoints, signed, retried, each attempt on record."""

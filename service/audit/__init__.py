"""The audit trail: what those who act changed, as facts."""

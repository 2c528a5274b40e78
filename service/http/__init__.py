"""What every route shares: problems, limits, health, metrics, idempotent writes."""

"""What every route shares: problems, limits, health, metrics, repeatable writes."""

"""What runs beside the API: the projectors, and coarse jobs that look at the database."""

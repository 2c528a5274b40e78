"""Friends, what they give and take of each other's points, and who leads. Never carbon."""

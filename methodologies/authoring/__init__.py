"""What authors of methodologies need: drafts, their check, publication, the register's state."""

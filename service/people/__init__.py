"""What a person sees about themselves: the summary, and the statement that explains it."""

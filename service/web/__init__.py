"""Pages for people with a browser. They show what the API says and know nothing else."""

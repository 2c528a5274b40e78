"""`python -m methodologies.cli`."""

from methodologies.cli.app import app

app(prog_name="saxaul-methodologies")

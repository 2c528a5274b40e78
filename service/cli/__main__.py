"""`python -m service.cli`."""

import logging

from service.cli import app

logging.basicConfig(level=logging.WARNING)
app(prog_name="saxaul")

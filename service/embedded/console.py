"""How `saxaul up` speaks while it works: one line a step, and what the supervisor has to say."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.logging import RichHandler

from service.clock import seconds


@contextmanager
def step(console: Console, what: str) -> Iterator[None]:
    began = seconds()
    with console.status(what):
        yield
    console.print(f"  [green]✓[/] {what} [dim]{seconds() - began:.1f} s[/]", highlight=False)


@contextmanager
def calm_log(console: Console) -> Iterator[None]:
    """Yield what the embedded servers and the supervisor have to say, on the same console."""
    logger = logging.getLogger("service.embedded")
    handler = RichHandler(console=console, show_path=False, show_level=False, log_time_format="%X")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False  # the program around us may log to this console too
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.propagate = True

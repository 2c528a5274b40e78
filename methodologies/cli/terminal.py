"""How commands speak: results to standard output, everything else beside it."""

import typer
from rich.console import Console
from rich.markup import escape

out = Console()
err = Console(stderr=True)


def fail(message: object) -> typer.Exit:
    """Say what went wrong on standard error; the caller raises the answer, which leaves with 1."""
    err.print(f"[red]error:[/] {escape(str(message))}", highlight=False, soft_wrap=True)
    return typer.Exit(1)

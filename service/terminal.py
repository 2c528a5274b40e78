"""How commands speak: results to standard output, everything else beside it."""

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from methodologies.cli.terminal import err, fail, out

__all__ = ["err", "fail", "out", "progress"]


def progress() -> Progress:
    """Return a bar for long work, with the time that is left; beside the result."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=err,
    )

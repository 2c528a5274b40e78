"""Options that several commands share, and what they stand for."""

from datetime import UTC, date, datetime
from typing import Annotated

import typer

from methodologies.catalogue import Catalogue
from methodologies.plugins import load_all

Day = Annotated[
    datetime | None, typer.Option("--on", formats=["%Y-%m-%d"], help="As of a day; default today.")
]
Folders = Annotated[
    str,
    typer.Option(
        "--methodologies",
        help="More folders of methodologies, separated as in PATH.",
        envvar=["SAXAUL_METHODOLOGY_PATH", "METHODOLOGY_PATH"],
    ),
]


def today_or(day: datetime | None) -> date:
    """The day of an option; without one the machine's present day in UTC."""
    return datetime.now(UTC).date() if day is None else day.date()


def catalogue_of(folders: str) -> Catalogue:
    """The packaged methodologies and those of a search path, whatever reviews are overdue.

    CatalogueBroken: with folder, file, line and reason, when one is not fit for use.
    """
    return load_all(folders, date.min)

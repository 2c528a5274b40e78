"""Which version assesses an action of a day: IN_FORCE, and the choice.

A line is `id@version first-day [recorded-day]`: the version assesses actions of that day and
later. A published version without a line is in force on every day. Of those that have begun by
the day of the action, the newest assesses it.
"""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path

from methodologies.contract import PROGRAMME_END, PROGRAMME_START, CatalogueBroken
from methodologies.digest import IN_FORCE, read_lines
from methodologies.folder import Version

NOTICE = timedelta(days=14)  # rule 6.1: a version is announced so long before it begins


def read_forces(folder: Path, versions: Sequence[Version]) -> dict[str, date]:
    """Return the first day of each version that IN_FORCE names, by reference.

    CatalogueBroken: with the line, for an unknown version, a draft, a day that is none or outside
    the programme, or one that was announced less than 14 days ahead.
    """
    status = {one.edition.reference: one.edition.status for one in versions}
    found = {}
    for reference, (line, rest) in read_lines(folder / IN_FORCE).items():
        if reference not in status:
            raise CatalogueBroken(IN_FORCE, line, f"there is no {reference} to be in force")
        if status[reference] == "draft":
            raise CatalogueBroken(IN_FORCE, line, f"{reference} is a draft: publish it first")
        first, _, recorded = rest.partition(" ")
        found[reference] = _day(first, line)
        if recorded and found[reference] < _day(recorded.strip(), line) + NOTICE:
            raise CatalogueBroken(IN_FORCE, line, _too_soon(reference, recorded.strip()))
    return found


def newest_begun(candidates: Sequence[Version], day: date) -> Version:
    """Return the newest of `candidates` (newest first) that is in force on `day`, else the last."""
    for version in candidates:
        if version.edition.in_force_from <= day:
            return version
    return candidates[-1]


def spans(editions: Mapping[str, date]) -> dict[str, tuple[date, date | None] | None]:
    """Return first and last day of each reference; `editions` are first days, newest first.

    A last day of None: until the programme ends. None as a whole: a newer version has every day.
    """
    found: dict[str, tuple[date, date | None] | None] = {}
    taken: date | None = None  # newer versions have every day from this one on
    for reference, first in editions.items():
        if taken is not None and first >= taken:
            found[reference] = None
            continue
        found[reference] = (first, None if taken is None else taken - timedelta(days=1))
        taken = first
    return found


def _day(text: str, line: int) -> date:
    try:
        day = date.fromisoformat(text)
    except ValueError as wrong:
        raise CatalogueBroken(
            IN_FORCE, line, f"{text!r} is not a day; a line is `id@version first-day recorded-day`"
        ) from wrong
    if not PROGRAMME_START <= day <= PROGRAMME_END:
        raise CatalogueBroken(
            IN_FORCE, line, f"{day} is outside the programme, {PROGRAMME_START} to {PROGRAMME_END}"
        )
    return day


def _too_soon(reference: str, recorded: str) -> str:
    return (
        f"rule 6.1: {reference} must begin {NOTICE.days} days after {recorded} or later; "
        "earlier days are changed by a restatement"
    )

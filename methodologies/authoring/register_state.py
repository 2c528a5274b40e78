"""The state of the register as one value: counts, and what somebody should look at. Pure.

Units are parsed here, with pint: nothing that serves events imports this module.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from methodologies.catalogue import Catalogue
from methodologies.register import Row
from methodologies.review import (
    Compared,
    broken_copies,
    compare,
    due,
    idle_declarations,
    is_refused,
    unused,
)
from methodologies.units import refusal_of


@dataclass(frozen=True, slots=True)
class Finding:
    """One kind of thing: the rows it is about, and a line for each that is refused or warned of."""

    rule: str
    what: str
    names: tuple[str, ...]
    refused: bool
    warns: bool
    lines: tuple[str, ...]
    count: int


@dataclass(frozen=True, slots=True)
class State:
    """Counts of rows by area (by confidence, all `rows`, those `used`), and what was found."""

    today: date
    rows: int
    by_area: Mapping[str, Counter[str]]
    findings: tuple[Finding, ...]


def state_of(catalogue: Catalogue, today: date) -> State:
    """Return counts and findings about the register on a day. PintMissing: pint is missing."""
    register, used = catalogue.register, catalogue.factors_used()
    idle = {row.key for row in unused(register, used)}
    by_area = {
        area.title: Counter(
            [mark for row in area.rows for mark in _marks(row, in_use=row.key not in idle)]
        )
        for area in register.areas
    }
    compared = compare(
        register,
        {one.reference: catalogue.factors_of(one.id, one.version) for one in catalogue.editions()},
    )
    return State(
        today,
        len(register.rows),
        by_area,
        (
            *_of_copies(compared),
            *_of_rows(catalogue, idle),
            *_of_reviews(due(register, used, today), today),
            _plain("declared local and is not", idle_declarations(register, compared), warns=True),
            _plain("read by no version", tuple(sorted(idle))),
        ),
    )


def _marks(row: Row, *, in_use: bool) -> list[str]:
    return [row.factor.confidence, "rows", *(["used"] if in_use else [])]


def _of_copies(compared: tuple[Compared, ...]) -> tuple[Finding, ...]:
    broken = broken_copies(compared)
    names = {
        kind: tuple(f"{one.methodology} {one.factor.id}" for one in compared if one.found == kind)
        for kind in ("equal", "superseded", "local")
    }
    wrong = tuple(f"{one.methodology} {one.factor.id}" for one in compared if one.refused)
    return (
        Finding("", "copies in folders that are the row", (), False, False, (),
                len(names["equal"])),
        _plain("copies of a superseded row", names["superseded"]),
        _plain("copies declared local", names["local"]),
        Finding("copy-is-the-row", "copies that differ, or have no row", wrong, bool(broken),
                False, tuple(map(str, broken)), len(wrong)),
    )  # fmt: skip


def _of_rows(catalogue: Catalogue, idle: set[str]) -> tuple[Finding, ...]:
    rows = catalogue.register.rows
    values = [one for some in catalogue.factors_used().values() for one in some]
    units = {row.factor.unit: f"{row.at.file}: {row.key}" for row in rows}
    units |= {one.unit: one.id for one in values if one.unit not in units}
    wrong = {unit: refusal for unit in units if (refusal := refusal_of(unit))}
    conflicts = tuple(row.key for row in rows if "conflict" in row.factor.flags)
    return (
        Finding("unit-parses", "units that do not parse", tuple(wrong), bool(wrong), False,
                tuple(f"{units[unit]}: {refusal}" for unit, refusal in wrong.items()), len(wrong)),
        _plain("in conflict with another source", conflicts),
        _plain("from memory and in use, with a waiver",
               tuple(row.key for row in rows
                     if row.factor.confidence == "M" and row.key not in idle)),
        _plain("judgements in use",
               tuple(row.key for row in rows if row.factor.judgement and row.key not in idle)),
        _plain("superseded", tuple(row.key for row in rows if row.superseded_by)),
    )  # fmt: skip


def _of_reviews(rows: tuple[Row, ...], today: date) -> tuple[Finding, ...]:
    over = tuple(row for row in rows if is_refused(row, today))
    soon = tuple(row for row in rows if not is_refused(row, today))

    def lines(some: tuple[Row, ...]) -> tuple[str, ...]:
        return tuple(f"{row.at.file}: {row.key} was due on {row.review_by}" for row in some)

    return (
        Finding("reviewed-in-time", "reviews due, in the days of grace",
                tuple(row.key for row in soon), False, bool(soon), lines(soon), len(soon)),
        Finding("reviewed-in-time", "reviews overdue: the program would not start",
                tuple(row.key for row in over), bool(over), False, lines(over), len(over)),
    )  # fmt: skip


def _plain(what: str, names: tuple[str, ...], *, warns: bool = False) -> Finding:
    lines = names if warns else ()
    return Finding("", what, names, False, warns and bool(names), lines, len(names))

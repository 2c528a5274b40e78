"""Is the register fit for use? Its copies in version folders, reviews that are due, what is unused.

Pure: the day comes from outside. What stops the start is `refuse_overdue`; the rest is shown by
`saxaul factors check` and held by the tests.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Literal

from methodologies.contract import CatalogueBroken
from methodologies.factors import Factor
from methodologies.register import GRACE, Register, Row

Copy = Literal["equal", "superseded", "local", "differs", "missing"]


@dataclass(frozen=True, slots=True)
class Compared:
    """A value of a version folder beside the register's row. `why` is empty when they are equal."""

    methodology: str
    factor: Factor
    found: Copy
    why: str

    @property
    def refused(self) -> bool:
        return self.found in ("differs", "missing")


def compare(register: Register, copies: Mapping[str, Iterable[Factor]]) -> tuple[Compared, ...]:
    """Every value that the versions carry (by "id@version") beside the register's row."""
    declared = {(one.methodology, one.factor): one.why for one in register.local}
    return tuple(
        _compared(reference, factor, register, declared)
        for reference, factors in copies.items()
        for factor in factors
    )


def due(register: Register, used: Iterable[str], today: date) -> tuple[Row, ...]:
    """The rows in use whose review day has passed, the longest ago first."""
    rows = {
        row.key: row
        for id_ in used
        for row in register.named(id_)
        if row.superseded_by is None and row.review_by < today
    }
    return tuple(sorted(rows.values(), key=lambda row: (row.review_by, row.key)))


def is_refused(row: Row, today: date) -> bool:
    """Return whether the grace period after the review day is over, too."""
    return row.review_by + GRACE < today


def refuse_overdue(register: Register, used: Iterable[str], today: date) -> None:
    """Refuse rows in use whose review is overdue, grace period included.

    CatalogueBroken: with file, line and rule, at the first of them.
    """
    for row in due(register, used, today):
        if is_refused(row, today):
            raise row.at.broken(
                f"{row.key} was to be reviewed by {row.review_by}; the {GRACE.days} days of grace "
                "are over: look at its source, then write the day of `checked_on`",
                rule="reviewed-in-time",
            )


def unused(register: Register, used: Iterable[str]) -> tuple[Row, ...]:
    """Return the rows that no version reads."""
    names = set(used)
    return tuple(row for row in register.rows if not {row.factor.id, row.family} & names)


def idle_declarations(register: Register, compared: Iterable[Compared]) -> tuple[str, ...]:
    """What is declared local and is not: it equals the register, or no version carries it."""
    needed = {(one.methodology, one.factor.id) for one in compared if one.found == "local"}
    return tuple(
        f"{one.methodology} {one.factor}"
        for one in register.local
        if (one.methodology, one.factor) not in needed
    )


def _compared(
    reference: str, factor: Factor, register: Register, declared: Mapping[tuple[str, str], str]
) -> Compared:
    rows = register.named(factor.id)
    answers = [(row, _difference(factor, row.factor)) for row in rows]
    for row, difference in sorted(answers, key=lambda one: one[0].superseded_by is not None):
        if not difference:
            if row.superseded_by is None:
                return Compared(reference, factor, "equal", "")
            why = f"version {row.superseded_by} has superseded it"
            return Compared(reference, factor, "superseded", why)
    if (reference, factor.id) in declared:
        return Compared(reference, factor, "local", declared[reference, factor.id])
    if not rows:
        return Compared(reference, factor, "missing", f"the register has no row {factor.id}")
    # The nearest in time is what the author will have meant.
    nearest = min(rows, key=lambda row: abs(row.factor.valid_from - factor.valid_from))
    why = f"{nearest.key}: {_difference(factor, nearest.factor)}"
    return Compared(reference, factor, "differs", why)


def _difference(copy: Factor, row: Factor) -> str:
    """The fields in which a copy and a row differ, in words; empty when they are equal."""
    pairs = {
        "value": (copy.number, row.number),
        "unit": (copy.unit, row.unit),
        "region": (copy.region, row.region),
        "valid_from": (copy.valid_from, row.valid_from),
        "valid_to": (copy.valid_to, row.valid_to),
        "confidence": (copy.confidence, row.confidence),
    }
    return "; ".join(
        f"{name} is {here or 'open'} in the folder and {there or 'open'} in the register"
        for name, (here, there) in pairs.items()
        if here != there
    )


def broken_copies(compared: Iterable[Compared]) -> tuple[CatalogueBroken, ...]:
    """Return an error for each value that differs from its row, or has none, undeclared."""
    return tuple(
        CatalogueBroken(
            f"{one.methodology}/factors.yaml", 1, f"{one.factor.id}: {one.why}", "copy-is-the-row"
        )
        for one in compared
        if one.refused
    )

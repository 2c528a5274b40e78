"""A cell of the totals and the amounts in it: dimensions and figures are listed here alone. Pure.

Everything that writes them out (SQL, JSON of the journal, fields in Valkey) takes the names here.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import date
from operator import add, attrgetter, neg, sub
from typing import NamedTuple

COUNTED_SCOPE = "3+"
UNCOUNTED_LEVEL = "L0"


class LiveCell(NamedTuple):
    """What the live totals are split by: a cell without its day and partner.

    `methodology` is "id@version".
    """

    activity: str
    methodology: str
    evidence_level: str
    region: str
    scope: str

    @property
    def is_carbon(self) -> bool:
        """Whether it belongs to the Scope 3+ total: L0 earns points only."""
        return self.scope == COUNTED_SCOPE and self.evidence_level != UNCOUNTED_LEVEL


class Cell(NamedTuple):
    """What the totals are split by. `region` is the one whose rule was used."""

    local_day: date
    activity: str
    methodology: str
    version: str
    partner: str
    region: str
    evidence_level: str
    scope: str

    @classmethod
    def under(
        cls,
        reference: str,
        *,
        local_day: date,
        activity: str,
        partner: str,
        region: str,
        evidence_level: str,
        scope: str,
    ) -> "Cell":
        """Return the cell of an action that was assessed under a methodology "id@version"."""
        methodology, _, version = reference.partition("@")
        return cls(
            local_day=local_day,
            activity=activity,
            methodology=methodology,
            version=version,
            partner=partner,
            region=region,
            evidence_level=evidence_level,
            scope=scope,
        )

    @property
    def live(self) -> LiveCell:
        """Return the cell of the live totals that this one is a part of."""
        return LiveCell(
            activity=self.activity,
            methodology=f"{self.methodology}@{self.version}",
            evidence_level=self.evidence_level,
            region=self.region,
            scope=self.scope,
        )

    def as_json(self) -> dict[str, object]:
        """Return the names and values that the journal has."""
        return {**self._asdict(), "local_day": self.local_day.isoformat()}

    @classmethod
    def from_json(cls, delta: Mapping[str, str]) -> "Cell":
        """Read a delta of a journal row. Raises KeyError when a dimension is missing."""
        day = date.fromisoformat(delta["local_day"])
        return cls._make(day if name == "local_day" else delta[name] for name in cls._fields)


@dataclass(slots=True)
class Amounts:
    """What is in a cell, or is added to it: whole numbers. Carbon in milligrams CO2e.

    `limited` of the actions found no room under a sheet's limits or beside another action.
    `uncertainty_mg` is half the width of the 95 percent interval of `avoided_mg`, added linearly.
    """

    actions: int = 0
    limited: int = 0
    gross_mg: int = 0
    avoided_mg: int = 0
    uncertainty_mg: int = 0
    points: int = 0

    def count(
        self, *, limited: int, gross_mg: int, avoided_mg: int, uncertainty_mg: int, points: int
    ) -> None:
        """Add one action in place: the intake does this for each event."""
        self.actions += 1
        self.limited += limited
        self.gross_mg += gross_mg
        self.avoided_mg += avoided_mg
        self.uncertainty_mg += uncertainty_mg
        self.points += points

    def __add__(self, other: "Amounts") -> "Amounts":
        return Amounts(*map(add, _figures(self), _figures(other)))

    def __sub__(self, other: "Amounts") -> "Amounts":
        return Amounts(*map(sub, _figures(self), _figures(other)))

    def __neg__(self) -> "Amounts":
        return Amounts(*map(neg, _figures(self)))

    def __bool__(self) -> bool:
        return any(_figures(self))

    def as_json(self) -> dict[str, int]:
        """Return the names and values that the journal has."""
        return dict(zip(FIGURES, _figures(self), strict=True))

    @classmethod
    def from_json(cls, delta: Mapping[str, int]) -> "Amounts":
        """Read a delta of a journal row; an old one may lack a figure that is younger."""
        return cls(**{name: delta.get(name, 0) for name in FIGURES})

    @classmethod
    def of_shown(cls, values: Iterable[int]) -> "Amounts":
        """Read what was selected as SHOWN."""
        return cls(**dict(zip(SHOWN, values, strict=True)))


FIGURES = tuple(field.name for field in fields(Amounts))
_figures = attrgetter(*FIGURES)
# How many actions were limited is kept by day alone, for the guards: no total shows it.
SHOWN = tuple(name for name in FIGURES if name != "limited")
# What an assessment gives: columns of an action, and with `old_` beside them of a restatement.
MEASURED = tuple(name for name in SHOWN if name not in ("actions", "points"))

DIMENSION_COLUMNS = ", ".join(Cell._fields)
LIVE_COLUMNS = "activity, methodology || '@' || version, evidence_level, region, scope"
FIGURE_COLUMNS = ", ".join(FIGURES)
SHOWN_COLUMNS = ", ".join(SHOWN)
"""Names for SQL, in the order of the types."""

_TYPES = {"local_day": "date"}
JSON_COLUMNS = ", ".join(
    [f"{name} {_TYPES.get(name, 'text')}" for name in Cell._fields]
    + [f"{name} int8" for name in FIGURES]
)
"""What `jsonb_to_recordset` reads of a journal row's deltas."""


def summed_cells(pairs: Iterable[tuple[Cell, Amounts]]) -> dict[Cell, Amounts]:
    """Return amounts by their cell; those of one cell are added up."""
    found: dict[Cell, Amounts] = {}
    for cell, amounts in pairs:
        found[cell] = found[cell] + amounts if cell in found else amounts
    return found


def summed(figures: Iterable[str]) -> str:
    """Return the sums of figures, as columns of the same names; what an old row lacks is 0."""
    return ", ".join(f"coalesce(sum({name}), 0)::int8 AS {name}" for name in figures)


FIELD_SEPARATOR = "|"


def live_fields(cell: LiveCell, amounts: Amounts) -> Iterable[tuple[str, int]]:
    """Return a cell as fields of a Valkey hash and integers; what is 0 is left out.

    A field is named "activity|id@version|level|region|scope|figure".
    """
    name = FIELD_SEPARATOR.join(cell)
    for figure in SHOWN:
        value = getattr(amounts, figure)
        if value:
            yield f"{name}{FIELD_SEPARATOR}{figure}", value


def read_live_field(field: str) -> tuple[LiveCell, str]:
    """Return the cell and the figure that a field of the Valkey hash names."""
    *cell, figure = field.split(FIELD_SEPARATOR)
    return LiveCell(*cell), figure

"""What totals are made of: cells that can be added, and the views that people read. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from service.totals.keys import FIELD_SEPARATOR, PEOPLE_FIELD

COUNTED_SCOPE = "3+"
APART = {  # what is measured and not in the total, by the scope of its cell
    "3": "operator_inventory",
    "held": "held",
    "transferred": "transferred",
}
SELF_DECLARED = "self_declared"
VERIFIED_LEVELS = ("L3", "L4")
UNCOUNTED_LEVEL = "L0"
WHATS = ("actions", "gross_mg", "avoided_mg", "uncertainty_mg", "points")


class Cell(NamedTuple):
    """What the live totals are split by. `methodology` is "id@version"."""

    activity: str
    methodology: str
    evidence_level: str
    region: str
    scope: str

    @property
    def is_carbon(self) -> bool:
        """Whether it belongs to the Scope 3+ total: L0 earns points only."""
        return self.scope == COUNTED_SCOPE and self.evidence_level != UNCOUNTED_LEVEL


@dataclass(slots=True)
class Sum:
    """Carbon in milligrams CO2e, points as integers; whole numbers only.

    `uncertainty_mg` is half the width of the 95 percent interval of `avoided_mg`, added linearly.
    """

    actions: int = 0
    gross_mg: int = 0
    avoided_mg: int = 0
    uncertainty_mg: int = 0
    points: int = 0

    def add(self, other: "Sum") -> None:
        """Add another sum to this one."""
        self.actions += other.actions
        self.gross_mg += other.gross_mg
        self.avoided_mg += other.avoided_mg
        self.uncertainty_mg += other.uncertainty_mg
        self.points += other.points


@dataclass(slots=True)
class Sums:
    """All cells, and how many people are in them."""

    cells: dict[Cell, Sum] = field(default_factory=dict)
    people: int = 0

    def carbon(self) -> Sum:
        """Return the Scope 3+ total: L1 and above."""
        return _added(total for cell, total in self.cells.items() if cell.is_carbon)

    def verified(self) -> "Sums":
        """Return the part of the total that an auditor sampled or verified: L3 and L4."""
        return Sums(
            {
                cell: total
                for cell, total in self.cells.items()
                if cell.is_carbon and cell.evidence_level in VERIFIED_LEVELS
            }
        )

    def apart(self) -> dict[str, Sum]:
        """Return what is measured and kept out of the total, by the reason why."""
        found = {why: Sum() for why in (*APART.values(), SELF_DECLARED)}
        for cell, total in self.cells.items():
            if cell.scope in APART:
                found[APART[cell.scope]].add(total)
            elif not cell.is_carbon:
                found[SELF_DECLARED].add(total)
        return found

    def everything(self) -> Sum:
        """Return all cells, whatever their scope and level: for points, and to prove equality."""
        return _added(self.cells.values())

    def carbon_split(self, name: str) -> dict[str, "Sums"]:
        """Return the cells of the Scope 3+ total, split by one field of the cell."""
        found: dict[str, Sums] = defaultdict(Sums)
        for cell, total in self.cells.items():
            if cell.is_carbon:
                found[getattr(cell, name)].cells[cell] = total
        return dict(sorted(found.items()))

    def carbon_by(self, name: str) -> dict[str, Sum]:
        """Return the Scope 3+ total, split by one field of the cell and added up."""
        return {value: part.carbon() for value, part in self.carbon_split(name).items()}

    def without_empty(self) -> "Sums":
        """Return the same without cells in which everything is 0 (all of it was reversed)."""
        kept = {cell: total for cell, total in self.cells.items() if total != Sum()}
        return Sums(kept, self.people)


def _added(sums: Iterable[Sum]) -> Sum:
    total = Sum()
    for one in sums:
        total.add(one)
    return total


def fields_of(cell: Cell, total: Sum) -> Iterable[tuple[str, int]]:
    """Return a cell as Valkey hash fields and integers; what is 0 is left out."""
    name = FIELD_SEPARATOR.join(cell)
    for what in WHATS:
        value = getattr(total, what)
        if value:
            yield f"{name}{FIELD_SEPARATOR}{what}", value


def read_fields(fields: Mapping[str, str]) -> Sums:
    """Return the sums that a Valkey hash holds."""
    sums = Sums()
    for name, value in fields.items():
        if name == PEOPLE_FIELD:
            sums.people = int(value)
            continue
        *cell, what = name.split(FIELD_SEPARATOR)
        setattr(sums.cells.setdefault(Cell(*cell), Sum()), what, int(value))
    return sums

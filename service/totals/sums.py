"""What totals are made of: cells that can be added, and the views that people read. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from service.journal.cell import Amounts, LiveCell, read_live_field
from service.totals.keys import PEOPLE_FIELD

APART = {  # what is measured and not in the total, by the scope of its cell
    "3": "operator_inventory",
    "held": "held",
    "transferred": "transferred",
}
SELF_DECLARED = "self_declared"
VERIFIED_LEVELS = ("L3", "L4")


@dataclass(slots=True)
class Sums:
    """All cells, and how many people are in them."""

    cells: dict[LiveCell, Amounts] = field(default_factory=dict)
    people: int = 0

    def carbon(self) -> Amounts:
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

    def apart(self) -> dict[str, Amounts]:
        """Return what is measured and kept out of the total, by the reason why."""
        found = {why: Amounts() for why in (*APART.values(), SELF_DECLARED)}
        for cell, total in self.cells.items():
            if cell.scope in APART:
                found[APART[cell.scope]] += total
            elif not cell.is_carbon:
                found[SELF_DECLARED] += total
        return found

    def everything(self) -> Amounts:
        """Return all cells added up, whatever their scope and level: points, for one."""
        return _added(self.cells.values())

    def carbon_split(self, name: str) -> dict[str, "Sums"]:
        """Return the cells of the Scope 3+ total, split by one field of the cell."""
        found: dict[str, Sums] = defaultdict(Sums)
        for cell, total in self.cells.items():
            if cell.is_carbon:
                found[getattr(cell, name)].cells[cell] = total
        return dict(sorted(found.items()))

    def carbon_by(self, name: str) -> dict[str, Amounts]:
        """Return the Scope 3+ total, split by one field of the cell and added up."""
        return {value: part.carbon() for value, part in self.carbon_split(name).items()}

    def without_empty(self) -> "Sums":
        """Return the same without cells in which everything is 0 (all of it was reversed)."""
        kept = {cell: total for cell, total in self.cells.items() if total}
        return Sums(kept, self.people)


def _added(sums: Iterable[Amounts]) -> Amounts:
    return sum(sums, Amounts())


def read_fields(fields: Mapping[str, str]) -> Sums:
    """Return the sums that a Valkey hash holds."""
    sums = Sums()
    for name, value in fields.items():
        if name == PEOPLE_FIELD:
            sums.people = int(value)
            continue
        cell, figure = read_live_field(name)
        setattr(sums.cells.setdefault(cell, Amounts()), figure, int(value))
    return sums

"""The effect of a restatement by month and region, and whether rule R13 asks for publication. Pure.

Only what is in the Scope 3+ total decides; L0 and other scopes are added up apart.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import date
from typing import Any

from service.restate.decide import Moved

TOTAL_PER_MILLE = 50  # R13: 5 percent of the cumulative total
YEAR_PER_MILLE = 100  # R13: 10 percent of one methodology-year
COUNTED_SCOPE = "3+"
UNCOUNTED_LEVEL = "L0"


@dataclass(slots=True)
class Figures:
    """Actions that were assessed again, and what they gave before and after, in milligrams CO2e.

    `changed` gave another amount, `refused` are refused newly, `limited` pass a daily limit now.
    """

    actions: int = 0
    changed: int = 0
    refused: int = 0
    limited: int = 0
    old_mg: int = 0
    new_mg: int = 0

    def add(self, other: "Figures") -> None:
        """Add other figures to these."""
        self.actions += other.actions
        self.changed += other.changed
        self.refused += other.refused
        self.limited += other.limited
        self.old_mg += other.old_mg
        self.new_mg += other.new_mg

    @property
    def difference_mg(self) -> int:
        """How far the totals move."""
        return self.new_mg - self.old_mg

    def wire(self) -> dict[str, object]:
        """Return the figures ready for JSON, milligrams as decimal strings."""
        return {
            "actions": self.actions,
            "changed": self.changed,
            "refused_newly": self.refused,
            "limited_now": self.limited,
            "old_mg": str(self.old_mg),
            "new_mg": str(self.new_mg),
            "difference_mg": str(self.difference_mg),
        }


Key = tuple[str, str, bool]  # month, region of the event, whether it is in the Scope 3+ total


@dataclass(slots=True)
class Before:
    """What was counted before the run: the total, and each year of the methodology, in mg."""

    total_mg: int
    years_mg: dict[str, int]


@dataclass(slots=True)
class Effect:
    """The figures of a run so far."""

    before: Before
    cells: dict[Key, Figures] = field(default_factory=lambda: defaultdict(Figures))

    def add(self, moved: Iterable[Moved]) -> None:
        """Count actions that were restated."""
        for one in moved:
            past, now = one.past, one.now
            counted = past.scope == COUNTED_SCOPE and past.evidence_level != UNCOUNTED_LEVEL
            self.cells[f"{past.local_day:%Y-%m}", past.region or "", counted].add(
                Figures(
                    actions=1,
                    changed=int(now.avoided_mg != past.value.avoided_mg),
                    refused=int(now.outcome == "refused" != past.value.outcome),
                    limited=int(now.outcome == "capped" and past.value.avoided_mg > 0),
                    old_mg=past.value.avoided_mg,
                    new_mg=now.avoided_mg,
                )
            )

    def total(self, *, counted: bool) -> Figures:
        """Return all figures of what is in the Scope 3+ total, or of what is apart from it."""
        return _added(figures for key, figures in self.cells.items() if key[2] is counted)

    def by(self, index: int) -> dict[str, Figures]:
        """Return the counted figures by month (0) or region (1)."""
        found: dict[str, Figures] = defaultdict(Figures)
        for key, figures in self.cells.items():
            if key[2]:
                found[str(key[index])].add(figures)
        return dict(sorted(found.items()))

    def as_json(self) -> dict[str, Any]:
        """Return the value that the run's row keeps."""
        return {
            "before": asdict(self.before),
            "cells": [[*key, asdict(figures)] for key, figures in sorted(self.cells.items())],
        }

    def report(self) -> dict[str, Any]:
        """Return a report for readers, ready for JSON."""
        findings = publication(self)
        return {
            "total": self.total(counted=True).wire(),
            "apart": self.total(counted=False).wire(),
            "by_month": [{"month": key, **one.wire()} for key, one in self.by(0).items()],
            "by_region": [{"region": key, **one.wire()} for key, one in self.by(1).items()],
            "publication": {
                "rule": "R13",
                "asked": any(one["asked"] for one in findings),
                "findings": findings,
            },
        }


def read_effect(row: Mapping[str, Any]) -> Effect:
    """Return the effect that a run's row holds."""
    cells: dict[Key, Figures] = defaultdict(Figures)
    for month, region, counted, figures in row["cells"]:
        cells[month, region, counted] = Figures(**figures)
    return Effect(Before(**row["before"]), cells)


def publication(effect: Effect) -> list[dict[str, Any]]:
    """Return each comparison of rule R13: of what, the effect, and whether it asks for
    publication.
    """
    moved_mg = effect.total(counted=True).difference_mg
    found = [_finding("the cumulative total", moved_mg, effect.before.total_mg, TOTAL_PER_MILLE)]
    years: dict[str, int] = defaultdict(int)
    for (month, _, counted), figures in effect.cells.items():
        if counted:
            years[month[:4]] += figures.difference_mg
    for year, difference_mg in sorted(years.items()):
        had_mg = effect.before.years_mg.get(year, 0)
        found.append(
            _finding(f"the methodology's year {year}", difference_mg, had_mg, YEAR_PER_MILLE)
        )
    return found


def _finding(of: str, moved_mg: int, had_mg: int, per_mille: int) -> dict[str, Any]:
    """Return one finding of rule R13; any change of an empty total asks for publication."""
    return {
        "of": of,
        "threshold_pct": str(per_mille // 10),
        "effect_mg": str(moved_mg),
        "before_mg": str(had_mg),
        "asked": moved_mg != 0 and abs(moved_mg) * 1000 >= abs(had_mg) * per_mille,
    }


def _added(figures: Iterable[Figures]) -> Figures:
    total = Figures()
    for one in figures:
        total.add(one)
    return total


def last_closed_day(today: date, late_days: int) -> date:
    """Return the last day that no event may be of any more, whatever its offset, without a
    backfill.
    """
    return date.fromordinal(today.toordinal() - late_days - 2)

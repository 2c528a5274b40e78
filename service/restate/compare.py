"""How far another method is from what is recorded, action by action. Pure.

Daily limits are left out, since a sample does not have the whole day: actions that a limit or
another action kept out of carbon are counted as `left_out` and compared with nothing.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from decimal import Decimal, localcontext
from hashlib import sha256
from typing import Any
from uuid import UUID

from methodologies.contract import Assessment, Refusal
from service.intake.outcome import is_limited
from service.restate.decide import Past

PRECISION = 60  # squares of 1e18 mg, over a billion actions
REFUSED = "refused"
PPM = 1_000_000


def is_sampled(action_id: UUID, sample_ppm: int) -> bool:
    """Return whether an action is in a sample: always the same ones, and a larger sample has them
    too.
    """
    share = int.from_bytes(sha256(action_id.bytes).digest()[:8])
    return share * PPM < sample_ppm << 64


@dataclass(slots=True)
class Comparison:
    """Figures of one cell, in milligrams CO2e; a difference is the other method's less ours.

    `actions` have both results; `squares` is the sum of the squared differences.
    """

    actions: int = 0
    recorded_mg: int = 0
    shadow_mg: int = 0
    squares: int = 0
    least_mg: int | None = None
    most_mg: int | None = None
    refused_by_shadow: int = 0
    refused_when_recorded: int = 0
    refused_by_both: int = 0
    left_out: int = 0

    def put(self, past: Past, result: Assessment | Refusal) -> None:
        """Count one action."""
        refused = isinstance(result, Refusal)
        if past.value.outcome == REFUSED:
            self.refused_by_both += int(refused)
            self.refused_when_recorded += int(not refused)
        elif is_limited(past.value.outcome, past.value.reason):
            self.left_out += 1
        elif isinstance(result, Refusal):
            self.refused_by_shadow += 1
        else:
            self._compare(past.value.avoided_mg, result.credited_mg)

    def _compare(self, recorded_mg: int, shadow_mg: int) -> None:
        difference_mg = shadow_mg - recorded_mg
        self.actions += 1
        self.recorded_mg += recorded_mg
        self.shadow_mg += shadow_mg
        self.squares += difference_mg * difference_mg
        self.least_mg = (
            difference_mg if self.least_mg is None else min(self.least_mg, difference_mg)
        )
        self.most_mg = difference_mg if self.most_mg is None else max(self.most_mg, difference_mg)

    def add(self, other: "Comparison") -> None:
        """Add another cell's figures to these."""
        for name in _SUMMED:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.least_mg = _of(min, self.least_mg, other.least_mg)
        self.most_mg = _of(max, self.most_mg, other.most_mg)

    @property
    def mean_mg(self) -> int | None:
        """The mean difference, to the nearest milligram; None without actions."""
        if not self.actions:
            return None
        return round(Decimal(self.shadow_mg - self.recorded_mg) / self.actions)

    @property
    def spread_mg(self) -> int | None:
        """The standard deviation of the differences, to the nearest milligram."""
        if not self.actions:
            return None
        with localcontext(prec=PRECISION):
            mean = Decimal(self.shadow_mg - self.recorded_mg) / self.actions
            variance = Decimal(self.squares) / self.actions - mean * mean
            return round(max(variance, Decimal(0)).sqrt())

    @property
    def ratio(self) -> Decimal | None:
        """The other method's sum over ours, four decimals; None when ours is 0."""
        if not self.recorded_mg:
            return None
        return (Decimal(self.shadow_mg) / self.recorded_mg).quantize(Decimal("0.0001"))

    def wire(self) -> dict[str, object]:
        """Return the figures ready for JSON, milligrams as decimal strings."""
        return {
            "actions": self.actions,
            "recorded_mg": str(self.recorded_mg),
            "shadow_mg": str(self.shadow_mg),
            "ratio": _text(self.ratio),
            "mean_difference_mg": _text(self.mean_mg),
            "spread_mg": _text(self.spread_mg),
            "least_difference_mg": _text(self.least_mg),
            "most_difference_mg": _text(self.most_mg),
            "refused_by_shadow": self.refused_by_shadow,
            "refused_when_recorded": self.refused_when_recorded,
            "refused_by_both": self.refused_by_both,
            "left_out": self.left_out,
        }


_SUMMED = (
    "actions",
    "recorded_mg",
    "shadow_mg",
    "squares",
    "refused_by_shadow",
    "refused_when_recorded",
    "refused_by_both",
    "left_out",
)
CELL = ("methodology", "month", "region", "evidence_level")
Key = tuple[str, str, str, str]


@dataclass(slots=True)
class Comparisons:
    """All cells of a shadow run so far."""

    cells: dict[Key, Comparison] = field(default_factory=lambda: defaultdict(Comparison))

    def put(self, past: Past, result: Assessment | Refusal) -> None:
        """Count one action in its cell."""
        key = (
            past.value.methodology,
            f"{past.local_day:%Y-%m}",
            past.region or "",
            past.counted_level,
        )
        self.cells[key].put(past, result)

    def as_json(self) -> dict[str, Any]:
        """For the run's row; a square may pass 64 bits and is a text."""
        return {
            "cells": [
                [*key, {**asdict(one), "squares": str(one.squares)}]
                for key, one in sorted(self.cells.items())
            ]
        }

    def report(self) -> dict[str, Any]:
        """Return a report for readers, ready for JSON."""
        total = Comparison()
        for one in self.cells.values():
            total.add(one)
        return {
            "total": total.wire(),
            "cells": [
                {**dict(zip(CELL, key, strict=True)), **one.wire()}
                for key, one in sorted(self.cells.items())
            ],
        }


def read_comparisons(row: Mapping[str, Any]) -> Comparisons:
    """Return what a run's row holds."""
    cells: dict[Key, Comparison] = defaultdict(Comparison)
    for methodology, month, region, level, figures in row["cells"]:
        key = (methodology, month, region, level)
        cells[key] = Comparison(**{**figures, "squares": int(figures["squares"])})
    return Comparisons(cells)


def _of(choose: Any, one: int | None, other: int | None) -> int | None:
    known = [value for value in (one, other) if value is not None]
    return choose(known) if known else None


def _text(value: object) -> str | None:
    return None if value is None else str(value)

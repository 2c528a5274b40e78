"""The receipt of one sum: everything that went into it, so that anyone can do it again.

The figures come from the same reading, estimate and rounding as an assessment; the written
formulas are worked out once more and must give the same lines.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, localcontext

from methodologies.arithmetic import ARITHMETIC, evaluate, plain
from methodologies.contract import (
    Assessment,
    Edition,
    Estimate,
    FactorNotFound,
    FactorTable,
    FactorValues,
    Inputs,
    Refusal,
)
from methodologies.factors import Factor
from methodologies.formulas import LINES
from methodologies.inputs import Reading
from methodologies.lists import as_read
from methodologies.resolved import ResolvedVersion, Rule


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the sum. `formula` has its numbers filled in and gives `value`."""

    name: str
    formula: str
    value: str
    unit: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """A sum, or its refusal (then there is no branch, factor or line, and `refusal` says why)."""

    edition: Edition
    day: str
    level: str
    region_chain: tuple[str, ...]
    region: str | None  # whose rule was used
    inputs: Mapping[str, object]
    branch: str | None
    factors: tuple[Factor, ...]  # as read, in the order in which the sheet names them
    lines: tuple[Line, ...]
    u_pct: str | None
    cf: str | None
    gross_mg: int | None
    credited_mg: int | None
    flags: tuple[str, ...]
    claims: tuple[str, ...]
    refusal: Refusal | None

    def fallbacks(self) -> list[dict[str, str]]:
        """Return what was asked for and is not there, with what was used instead: regions only."""
        asked = self.region_chain[0]
        if self.region in (None, asked):
            return []
        return [{"what": "rules of the region", "asked": asked, "used": str(self.region)}]

    def as_dict(self) -> dict[str, object]:
        """Return the receipt's block, ready for JSON; milligrams are strings, as sums pass 2^53."""
        return {
            "methodology": {
                "id": self.edition.id,
                "version": self.edition.version,
                "reference": self.edition.reference,
                "title": self.edition.title,
                "status": self.edition.status,
                "published_on": self.edition.published_on.isoformat(),
                "digest": self.edition.digest,
            },
            "activity": self.edition.activity,
            "day": self.day,
            "evidence_level": self.level,
            "region_chain": list(self.region_chain),
            "region": self.region,
            "fallbacks": self.fallbacks(),
            "overlap": self.edition.sheet["overlap"],
            "inputs": dict(self.inputs),
            "branch": self.branch,
            "factors": [factor.as_dict() for factor in self.factors],
            "lines": [
                {"name": one.name, "formula": one.formula, "value": one.value, "unit": one.unit}
                for one in self.lines
            ],
            "uncertainty_pct": self.u_pct,
            "conservativeness_factor": self.cf,
            "gross_mg": None if self.gross_mg is None else str(self.gross_mg),
            "credited_mg": None if self.credited_mg is None else str(self.credited_mg),
            "flags": list(self.flags),
            "claims": list(self.claims),
            "refusal": self.refusal
            and {"reason": self.refusal.reason, "detail": self.refusal.detail},
        }


class _Noted(FactorValues):
    """Factor values that note which roles were read."""

    __slots__ = ("read",)

    def __init__(self, values: FactorValues) -> None:
        super().__init__(values, values.absent)
        self.read: set[str] = set()

    def __getitem__(self, role: str) -> Decimal:
        self.read.add(role)
        return super().__getitem__(role)


def explanation_of(
    resolved: ResolvedVersion, *, level: str, data: Mapping[str, object]
) -> Explanation:
    """The sum of one event with all that went into it, or its refusal.

    DataInvalid: the data or the level cannot be read.
    """
    with localcontext(ARITHMETIC):
        reading = resolved.read(data)
        inputs, claims, flags, limit = reading
        refusal = resolved.refuse(level, limit)
        if refusal is not None:
            return _refused(resolved, reading, level, refusal)
        noted = {name: _Noted(values) for name, values in resolved.table.items()}
        try:
            estimate = resolved.estimate(inputs, FactorTable(noted, resolved.table.absent))
        except FactorNotFound as missing:
            return _refused(resolved, reading, level, Refusal("no_methodology", str(missing)))
        assessment = resolved.conclude(estimate, inputs, claims, flags)
        rule = resolved.rules[estimate.branch]
        read = noted[estimate.branch].read
        return Explanation(
            edition=resolved.edition,
            day=resolved.day.isoformat(),
            level=level,
            region_chain=resolved.chain,
            region=assessment.region,
            inputs=_as_read(inputs),
            branch=estimate.branch,
            factors=tuple(factor for role, factor in rule.factors.items() if role in read),
            lines=_lines(inputs, estimate, rule, assessment),
            u_pct=plain(rule.branch.u_pct),
            cf=plain(rule.cf),
            gross_mg=assessment.gross_mg,
            credited_mg=assessment.credited_mg,
            flags=assessment.flags,
            claims=assessment.claims,
            refusal=None,
        )


def _lines(
    inputs: Inputs, estimate: Estimate, rule: Rule, assessment: Assessment
) -> tuple[Line, ...]:
    values = {role: factor.number for role, factor in rule.factors.items()}
    amounts = dict(
        zip(LINES, (estimate.baseline_g, estimate.project_g, estimate.leakage_g), strict=True)
    )
    lines = []
    for name, amount in amounts.items():
        formula = rule.branch.written(name, inputs, values)
        assert evaluate(formula) == amount, f"{name}: {formula} is not {amount}"
        lines.append(Line(name, formula, plain(amount), "g CO2e"))
    baseline, project, leakage = (plain(amount) for amount in amounts.values())
    gross = plain(estimate.baseline_g - estimate.project_g - estimate.leakage_g)
    u_pct, cf = plain(rule.branch.u_pct), plain(rule.cf)
    return (
        *lines,
        Line("gross", f"{baseline} - {project} - {leakage}", gross, "g CO2e"),
        Line("conservativeness", f"multiplier for an uncertainty of {u_pct} %", cf, "1"),
        Line(
            "credited",
            f"max(0, {gross}) * 1000 * {cf}, rounded down",
            str(assessment.credited_mg),
            "mg CO2e",
        ),
    )


def _as_read(inputs: Inputs) -> dict[str, object]:
    return {
        **{name: plain(number) for name, number in inputs.numbers.items()},
        **inputs.texts,
        **inputs.switches,
        **{name: list(ids) for name, ids in inputs.ids.items()},
        **{name: [as_read(one, name) for one in rows] for name, rows in inputs.rows.items()},
    }


def _refused(
    resolved: ResolvedVersion, reading: Reading, level: str, refusal: Refusal
) -> Explanation:
    inputs, claims, flags, _ = reading
    return Explanation(
        edition=resolved.edition,
        day=resolved.day.isoformat(),
        level=level,
        region_chain=resolved.chain,
        region=None,
        inputs=_as_read(inputs),
        branch=None,
        factors=(),
        lines=(),
        u_pct=None,
        cf=None,
        gross_mg=None,
        credited_mg=None,
        flags=flags,
        claims=claims,
        refusal=refusal,
    )

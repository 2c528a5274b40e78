"""A version made ready for one region and day: the factors looked up once, then sums for many.

What depends on the region and the day only is here; what depends on the event comes with it.
"""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal, getcontext, setcontext
from typing import NamedTuple

from methodologies.arithmetic import ARITHMETIC, MG_PER_G
from methodologies.branches import Branch, chain_of, ids_from
from methodologies.contract import (
    LEVELS,
    PROGRAMME_END,
    PROGRAMME_START,
    Assessment,
    DataInvalid,
    Edition,
    Estimate,
    FactorNotFound,
    FactorTable,
    FactorValues,
    Inputs,
    Refusal,
)
from methodologies.factors import Factor, days_covered, in_force
from methodologies.folder import Version
from methodologies.formulas import Estimator, estimator_of

_NOTHING = Decimal(0)
_MILLI = Decimal(1000)


class Rule(NamedTuple):
    """What a branch adds to a sum on one day."""

    branch: Branch
    cf: Decimal
    region: str
    flags: tuple[str, ...]
    factors: Mapping[str, Factor]  # by role, those in force
    u_permille: int


class ResolvedVersion:
    """One version in one region on one day."""

    __slots__ = (
        "_enough",
        "_quantity",
        "_reference",
        "chain",
        "day",
        "edition",
        "estimate",
        "read",
        "refusal",
        "rules",
        "table",
    )

    def __init__(
        self,
        version: Version,
        *,
        chain: tuple[str, ...],
        day: date,
        rules: Mapping[str, Rule],
        table: FactorTable,
        refusal: Refusal | None,
    ) -> None:
        self.edition: Edition = version.edition
        self.chain = chain
        self.day = day
        self.rules = rules
        self.table = table
        self.refusal = refusal
        self.read = version.reader.read
        self.estimate = version.estimate or _by_formulas(version, rules)
        self._quantity = version.edition.quantity
        self._reference = version.edition.reference
        self._enough = frozenset(LEVELS[LEVELS.index(version.edition.minimum_level) :])

    def assess(self, level: str, data: Mapping[str, object]) -> Assessment | Refusal:
        """Assess one event of this region and day.

        DataInvalid: the data or the level cannot be read.
        """
        outer = getcontext()
        setcontext(ARITHMETIC)  # half the time of localcontext(), which copies it
        try:
            inputs, claims, flags, limit = self.read(data)
            refusal = self.refuse(level, limit)
            if refusal is not None:
                return refusal
            return self.conclude(self.estimate(inputs, self.table), inputs, claims, flags)
        except FactorNotFound as missing:
            return Refusal("no_methodology", str(missing))
        finally:
            setcontext(outer)

    def refuse(self, level: str, limit: Refusal | None) -> Refusal | None:
        """Return the first reason against a sum: day or region, evidence, then the limits; or None.

        DataInvalid: there is no such level.
        """
        if self.refusal is not None:
            return self.refusal
        if level not in self._enough:
            if level not in LEVELS:
                raise DataInvalid(("evidencelevel", f"must be one of {', '.join(LEVELS)}"))
            return Refusal(
                "evidence_too_weak",
                f"{self._reference} needs evidence of {self.edition.minimum_level} or better; "
                f"this event has {level}",
            )
        return limit

    def conclude(
        self,
        estimate: Estimate,
        inputs: Inputs,
        claims: tuple[str, ...],
        flags: tuple[str, ...],
    ) -> Assessment:
        """Return the assessment: rounded once, the gross towards zero, the credited down, in mg."""
        branch, baseline_g, project_g, leakage_g = estimate
        rule = self.rules[branch]
        gross_mg = (baseline_g - project_g - leakage_g) * MG_PER_G
        quantity = inputs.numbers.get(self._quantity, _NOTHING) if self._quantity else _NOTHING
        return Assessment(
            self._reference,
            int(gross_mg),
            int(gross_mg * rule.cf) if gross_mg > _NOTHING else 0,
            claims,
            int(quantity * _MILLI),
            rule.flags + flags,
            rule.region,
            self.edition,
            rule.u_permille,
        )


def _by_formulas(version: Version, rules: Mapping[str, Rule]) -> Estimator:
    """Return the sum by formulas of these rules, in the order in which the sheet has its rules."""
    sheet = {name: one for region in version.branches.values() for name, one in region.items()}
    chosen = {name: rules[name].branch if name in rules else one for name, one in sheet.items()}
    return estimator_of({name: one.compiled for name, one in chosen.items() if one.compiled}, rules)


def resolve(version: Version, region: str, day: date) -> ResolvedVersion:
    """Look up every rule and factor of a version for a region and a day."""
    chain, edition = chain_of(region), version.edition
    branches: dict[str, Branch] = {}
    for wider in reversed(chain):
        here = version.branches.get(wider, {})
        branches |= {name: branch for name, branch in here.items() if branch.holds_on(day)}
    rules = {name: _rule(branch, version, chain, day) for name, branch in branches.items()}
    values = {name: _values(rule, version, chain, day) for name, rule in rules.items()}
    absent = f"{edition.reference} has no rule '{{branch}}' for {region} on {day}"
    return ResolvedVersion(
        version,
        chain=chain,
        day=day,
        rules=rules,
        table=FactorTable(values, absent),
        refusal=_refusal(edition, region, day, covered=bool(branches)),
    )


def _refusal(edition: Edition, region: str, day: date, *, covered: bool) -> Refusal | None:
    if not PROGRAMME_START <= day <= PROGRAMME_END:
        return Refusal(
            "out_of_period",
            f"the day {day} is outside the programme, {PROGRAMME_START} to {PROGRAMME_END}",
        )
    if not covered:
        return Refusal(
            "no_methodology",
            f"{edition.reference} has no rule for {region} on {day}; "
            f"it covers {', '.join(edition.regions)}",
        )
    return None


def _rule(branch: Branch, version: Version, chain: tuple[str, ...], day: date) -> Rule:
    found = {
        role: factor
        for role, reference in branch.factors.items()
        if (factor := _nearest(reference, version, chain, day))
    }
    flags = (*branch.flags, *_doubts(found, chain))
    region = _region_of(branch, found, chain)
    return Rule(branch, branch.cf, region, flags, found, int(branch.u_pct * 10))


def _nearest(reference: str, version: Version, chain: tuple[str, ...], day: date) -> Factor | None:
    for id_ in ids_from(reference, chain):
        factor = in_force(version.factors.get(id_, ()), day)
        if factor:
            return factor
    return None


def _region_of(branch: Branch, found: Mapping[str, Factor], chain: tuple[str, ...]) -> str:
    """The region of the rule, or the nearer one of a factor that was looked for in the chain."""
    nearer = {branch.region} | {
        found[role].region
        for role, reference in branch.factors.items()
        if role in found and reference != found[role].id
    }
    return next(region for region in chain if region in nearer)


def _doubts(factors: Mapping[str, Factor], chain: tuple[str, ...]) -> tuple[str, ...]:
    """Return flags for doubts about the factors behind a result."""
    doubts = {
        "proxy_region": any(factor.region not in chain for factor in factors.values()),
        "secondary_source": any("secondary" in factor.flags for factor in factors.values()),
        "from_memory": any(factor.confidence == "M" for factor in factors.values()),
    }
    return tuple(flag for flag, holds in doubts.items() if holds)


def _values(rule: Rule, version: Version, chain: tuple[str, ...], day: date) -> FactorValues:
    branch = rule.branch
    absent = {
        role: f"{id_} has no value in force on {day}; it has {days_covered(version.factors[id_])}"
        for role, reference in branch.factors.items()
        if role not in rule.factors
        for id_ in ids_from(reference, chain)
        if id_ in version.factors
    }
    nothing = f"{version.edition.reference} has no factor '{{role}}' for {branch.region}"
    return FactorValues(
        {role: factor.number for role, factor in rule.factors.items()}, {**absent, "": nothing}
    )

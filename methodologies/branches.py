"""The rules of a sheet by region: which factors a branch reads, how uncertain it is, what it says.

A branch is one way to do the sum (per kilometre, per trip, by weighed mass). Its written formulas
are what a receipt shows; `estimate.py` does the sum, and a receipt fails if the two differ.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from methodologies.arithmetic import plain
from methodologies.contract import Inputs
from methodologies.document import Cursor

LINES = ("baseline", "project", "leakage")

# UNFCCC decision 20/CMP.1, technical guidance on adjustments: multiplier for an estimate with up to
# this relative uncertainty in percent. The upper edge belongs to the band.
BANDS = (
    (Decimal(10), Decimal("0.98")),
    (Decimal(30), Decimal("0.94")),
    (Decimal(50), Decimal("0.89")),
    (Decimal(100), Decimal("0.82")),
)
ABOVE_ALL_BANDS = Decimal("0.73")

_PLACE = re.compile(r"\{([a-z_0-9]+)\}")
_REGION = re.compile(r"[A-Z]{2}(-[A-Z0-9]{1,3})?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Branch:
    """One rule of one region. `factors` maps the role in the formula to a factor's id."""

    name: str
    region: str
    valid_from: date | None
    valid_to: date | None
    u_pct: Decimal
    cf: Decimal
    factors: Mapping[str, str]
    flags: tuple[str, ...]
    formulas: Mapping[str, str]  # by line

    def holds_on(self, day: date) -> bool:
        begun = self.valid_from is None or self.valid_from <= day
        return begun and (self.valid_to is None or day <= self.valid_to)

    def written(self, line: str, inputs: Inputs, values: Mapping[str, Decimal]) -> str:
        """The formula of a line with its numbers filled in.

        A name stands for the factor of that role, else for the number input of that name, else for
        the switch of that name (1 or 0), else for the factor whose role is the value of the text
        input of that name (`{mode}`).
        """

        def number_of(place: re.Match[str]) -> str:
            name = place[1]
            if name in values:
                return plain(values[name])
            if name in inputs.numbers:
                return plain(inputs.numbers[name])
            if name in inputs.switches:
                return "1" if inputs.switches[name] else "0"
            return plain(values[inputs.texts[name]])

        return _PLACE.sub(number_of, self.formulas[line])


Branches = Mapping[str, Mapping[str, Branch]]  # by region, then by name


def is_region(text: str) -> bool:
    """An ISO 3166-1 alpha-2 or 3166-2 code by its form."""
    return bool(_REGION.fullmatch(text))


def chain_of(region: str) -> tuple[str, ...]:
    """The regions whose rules are looked for, the nearest first: CN-ZJ, CN, GLOBAL."""
    country = region[:2]
    return (region, "GLOBAL") if region == country else (region, country, "GLOBAL")


def multiplier(u_pct: Decimal) -> Decimal:
    """The conservativeness factor of a relative uncertainty."""
    for upper, factor in BANDS:
        if u_pct <= upper:
            return factor
    return ABOVE_ALL_BANDS


def read_branches(rules: Cursor, *, inputs: frozenset[str], factors: frozenset[str]) -> Branches:
    """The block `rules`. CatalogueBroken: an unknown factor or name, or a CF outside its band."""
    found: dict[str, Mapping[str, Branch]] = {}
    for key, entry in rules.entries():
        region = key.text()
        if region != "GLOBAL" and not is_region(region):
            raise key.broken(f"{region!r} is not an ISO 3166 region")
        found[region] = {
            name.text(): _read_branch(name.text(), region, branch, inputs=inputs, factors=factors)
            for name, branch in entry.entries()
        }
    return found


def _read_branch(
    name: str, region: str, branch: Cursor, *, inputs: frozenset[str], factors: frozenset[str]
) -> Branch:
    given = branch.table(
        needs=["u_pct", "cf", "factors", "formulas"], may=["valid_from", "valid_to", "flags", "why"]
    )
    u_pct, cf = given["u_pct"].number(), given["cf"].number()
    if cf != multiplier(u_pct):
        raise given["cf"].broken(f"an uncertainty of {u_pct} % has the factor {multiplier(u_pct)}")
    roles: dict[str, str] = {}
    for role, factor in given["factors"].entries():
        if factor.text() not in factors:
            raise factor.broken(f"the factor {factor.text()!r} is not in factors.yaml")
        roles[role.text()] = factor.text()
    lines = given["formulas"].table(needs=LINES)
    for line in lines.values():
        for place in _PLACE.findall(line.text()):
            if place not in roles and place not in inputs:
                raise line.broken(f"{{{place}}} is neither a factor's role here nor an input")
    return Branch(
        name=name,
        region=region,
        valid_from=given["valid_from"].day() if "valid_from" in given else None,
        valid_to=given["valid_to"].day() if "valid_to" in given else None,
        u_pct=u_pct,
        cf=cf,
        factors=roles,
        flags=given["flags"].texts() if "flags" in given else (),
        formulas={line: cursor.text() for line, cursor in lines.items()},
    )

"""The rules of a sheet by region: which factors a branch reads, how uncertain it is, what it says.

A branch is one way to do the sum (per kilometre, per trip, by weighed mass). Its written formulas
are what a receipt shows. They do the sum where the version has no `estimate.py`; where it has one,
a receipt fails if the two differ.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal

from methodologies.arithmetic import plain
from methodologies.contract import Inputs
from methodologies.document import Cursor
from methodologies.formulas import LINES, FormulaInvalid, Formulas, Names, compile_formulas

# UNFCCC decision 20/CMP.1, technical guidance on adjustments: multiplier for an estimate with up to
# this relative uncertainty in percent. The upper edge belongs to the band.
BANDS = (
    (Decimal(10), Decimal("0.98")),
    (Decimal(30), Decimal("0.94")),
    (Decimal(50), Decimal("0.89")),
    (Decimal(100), Decimal("0.82")),
)
ABOVE_ALL_BANDS = Decimal("0.73")

_NAME = re.compile(r"\{([a-z_0-9]+)\}")
_SUM = re.compile(r"\[([a-z_0-9]+): ([^][]+)\]")
_NEAREST = "*."  # stands for the region in the id of a factor: *.grid.avg_co2
_REGION = re.compile(r"[A-Z]{2}(-[A-Z0-9]{1,3})?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Branch:
    """One rule of one region. `factors` maps the role in the formula to a factor's id.

    An id such as `*.grid.avg_co2` means that of the nearest region which has such a factor:
    cn-zj.grid.avg_co2, cn.grid.avg_co2, global.grid.avg_co2.
    """

    name: str
    region: str
    valid_from: date | None
    valid_to: date | None
    u_pct: Decimal
    cf: Decimal
    factors: Mapping[str, str]
    flags: tuple[str, ...]
    formulas: Mapping[str, str]  # by line
    at: Mapping[str, Cursor]  # where each of them is written
    compiled: Formulas | None = None  # of a sheet without estimate.py

    def holds_on(self, day: date) -> bool:
        begun = self.valid_from is None or self.valid_from <= day
        return begun and (self.valid_to is None or day <= self.valid_to)

    def written(self, line: str, inputs: Inputs, values: Mapping[str, Decimal]) -> str:
        """The formula of a line with its numbers filled in.

        A name stands for the factor of that role, else for the number input of that name, else for
        the switch of that name (1 or 0), else for the factor whose role is the value of the text
        input of that name (`{mode}`). A part such as `[trips: {persons} * {km}]` is the sum over
        the entries of a list, with their columns.
        """

        def sum_of(part: re.Match[str]) -> str:
            terms = [filled(part[2], entry) for entry in inputs.rows[part[1]]]
            return f"({' + '.join(terms)})"

        def filled(text: str, given: Inputs) -> str:
            def number_of(found: re.Match[str]) -> str:
                name = found[1]
                if name in values:
                    return plain(values[name])
                if name in given.numbers:
                    return plain(given.numbers[name])
                if name in given.switches:
                    return "1" if given.switches[name] else "0"
                return plain(values[given.texts[name]])

            return _NAME.sub(number_of, text)

        return filled(_SUM.sub(sum_of, self.formulas[line]), inputs)


Branches = Mapping[str, Mapping[str, Branch]]  # by region, then by name


def is_region(text: str) -> bool:
    """Return whether the text has the form of an ISO 3166-1 alpha-2 or 3166-2 code."""
    return bool(_REGION.fullmatch(text))


def chain_of(region: str) -> tuple[str, ...]:
    """Return the regions whose rules apply, the nearest first: CN-ZJ, CN, GLOBAL."""
    country = region[:2]
    return (region, "GLOBAL") if region == country else (region, country, "GLOBAL")


def named_by(reference: str, factors: Iterable[str]) -> list[str]:
    """Return the ids, of those in `factors`, that a reference such as `*.grid.avg_co2` may mean."""
    if not reference.startswith(_NEAREST):
        return [reference]
    family = reference.removeprefix(_NEAREST)
    return [id_ for id_ in factors if id_.partition(".")[2] == family]


def ids_from(reference: str, chain: tuple[str, ...]) -> list[str]:
    """Return the ids that a reference means in a chain of regions, the nearest first."""
    if not reference.startswith(_NEAREST):
        return [reference]
    return [f"{region.lower()}.{reference.removeprefix(_NEAREST)}" for region in chain]


def multiplier(u_pct: Decimal) -> Decimal:
    """Return the conservativeness factor of a relative uncertainty in percent, by its band."""
    for upper, factor in BANDS:
        if u_pct <= upper:
            return factor
    return ABOVE_ALL_BANDS


def read_branches(
    rules: Cursor,
    *,
    names: Names,
    factors: frozenset[str],
) -> Branches:
    """Read the block `rules`.

    CatalogueBroken: an unknown factor or name, or a CF that is not that of its uncertainty.
    """
    found: dict[str, Mapping[str, Branch]] = {}
    for key, entry in rules.entries():
        region = key.text()
        if region != "GLOBAL" and not is_region(region):
            raise key.broken(f"{region!r} is not an ISO 3166 region")
        found[region] = {
            name.text(): _read_branch(name.text(), region, branch, names=names, factors=factors)
            for name, branch in entry.entries()
        }
    return found


def _read_branch(
    name: str,
    region: str,
    branch: Cursor,
    *,
    names: Names,
    factors: frozenset[str],
) -> Branch:
    given = branch.table(
        needs=["u_pct", "cf", "factors", "formulas"], may=["valid_from", "valid_to", "flags", "why"]
    )
    u_pct, cf = given["u_pct"].number(), given["cf"].number()
    if cf != multiplier(u_pct):
        raise given["cf"].broken(f"an uncertainty of {u_pct} % has the factor {multiplier(u_pct)}")
    roles: dict[str, str] = {}
    for role, factor in given["factors"].entries():
        if not factors.intersection(named_by(factor.text(), factors)):
            raise factor.broken(f"the factor {factor.text()!r} is not in factors.yaml")
        roles[role.text()] = factor.text()
    lines = given["formulas"].table(needs=LINES)
    for line in lines.values():
        for over, part in [("", _SUM.sub("", line.text())), *_SUM.findall(line.text())]:
            if over and over not in names.lists:
                raise line.broken(f"[{over}: ] is not about a list of the inputs")
            known = names.lists[over] if over else names
            for name_ in _NAME.findall(part):
                if name_ not in roles and name_ not in known:
                    raise line.broken(f"{{{name_}}} is neither a factor's role here nor an input")
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
        at=lines,
    )


def compiled(branches: Branches, names: Names) -> Branches:
    """Return the same rules with formulas that do the sum.

    CatalogueBroken: a formula cannot be compiled; with file, line, character and reason.
    """
    return {
        region: {name: _compiled(branch, names) for name, branch in rules.items()}
        for region, rules in branches.items()
    }


def _compiled(branch: Branch, names: Names) -> Branch:
    try:
        formulas = compile_formulas(
            branch.name,
            branch.formulas,
            roles=frozenset(branch.factors),
            names=names,
            file=branch.at[LINES[0]].file,
        )
    except FormulaInvalid as wrong:
        raise branch.at[wrong.line].broken(str(wrong)) from wrong
    return replace(branch, compiled=formulas)

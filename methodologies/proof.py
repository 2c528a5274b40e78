"""Runs what a version says about itself: its cases, its rules, its units, what its code may know.

The same for a packaged version in the tests and for somebody's own with `saxaul methodology check`.
"""

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import cast

from methodologies.cases import Case
from methodologies.catalogue import Catalogue
from methodologies.contract import Assessment, DataInvalid, Edition, Refusal
from methodologies.folder import Version
from methodologies.register import Register
from methodologies.units import refusal_of

TOLERANCE_G = Decimal("0.001")
MAY_IMPORT = frozenset(("decimal", "methodologies.contract"))
MAY_CALL = frozenset(("Decimal", "Estimate", "min", "max"))
PLACEHOLDER = "placeholder"
FIRST = "1.0.0"


@dataclass(frozen=True, slots=True)
class Proof:
    """One thing that was looked at; `wrong` is None when it holds."""

    rule: str
    what: str
    wrong: str | None


def prove(version: Version, source: str) -> tuple[Proof, ...]:
    """Everything that can be tried without a service. `source` is the text of estimate.py."""
    alone = replace(version, edition=replace(version.edition, status="published"))
    catalogue = Catalogue((alone,), Register((), ()))
    cases = [Proof("worked-cases", case.name, _wrong(catalogue, alone.edition, case))
             for case in version.cases]  # fmt: skip
    return (
        *cases,
        Proof("every-rule-has-a-case", "rules", _without_case(catalogue, alone)),
        Proof("pure", "estimate.py", _impure(source)),
        Proof("a-later-version-says-its-change", "changes", _silent(alone.edition)),
        *_units(version),
    )


def _silent(edition: Edition) -> str | None:
    if edition.version == FIRST or "changes" in edition.sheet:
        return None
    return f"{edition.reference} must say its changes (reason, effect, reviewer): rule 6.1"


def placeholders(version: Version) -> tuple[str, ...]:
    """The factors that are still those of the skeleton: such a version is not published."""
    return tuple(
        factor.id
        for values in version.factors.values()
        for factor in values
        if PLACEHOLDER in factor.flags
    )


def _wrong(catalogue: Catalogue, edition: Edition, case: Case) -> str | None:
    """What a case gives instead of what it says, in words."""
    try:
        result = catalogue.assess(
            edition.activity, region=case.region, day=case.day, level=case.level, data=case.data
        )
        catalogue.explain(
            edition.activity,
            region=case.region,
            day=case.day,
            level=case.level,
            data=case.data,
            version=edition.version,
        )
    except DataInvalid as invalid:
        names = [name for name, _ in invalid.errors]
        return None if case.invalid in names else f"its data cannot be read: {invalid}"
    except AssertionError as formula:
        return f"the written formula is not the sum of estimate.py: {formula}"
    except (ArithmeticError, LookupError, TypeError, AttributeError) as failed:
        return f"estimate.py fails: {type(failed).__name__}: {failed}"
    if isinstance(result, Refusal):
        return _wrong_refusal(case, result)
    return "; ".join(_wrong_figures(case, result)) or None


def _wrong_refusal(case: Case, refusal: Refusal) -> str | None:
    if case.refused != refusal.reason:
        return f"it is refused, {refusal.reason}: {refusal.detail}"
    if case.mentions and case.mentions not in refusal.detail:
        return f"the refusal does not mention {case.mentions!r}: {refusal.detail}"
    return None


def _wrong_figures(case: Case, result: Assessment) -> Iterator[str]:
    gross_g = Decimal(result.gross_mg) / 1000
    if case.gross_g is None:
        yield f"it gives {gross_g} g, where {case.refused or case.invalid} is expected"
        return
    if abs(gross_g - case.gross_g) > TOLERANCE_G:
        yield f"gross_g is {gross_g}, not {case.gross_g}"
    pairs: Mapping[str, tuple[object, object]] = {
        "credited_mg": (case.credited_mg, result.credited_mg),
        "region": (case.uses_region, result.region),
        "flags": (case.flags, result.flags),
        "claims": (case.claims, result.claims),
    }
    for name, (expected, found) in pairs.items():
        if expected is not None and expected != found:
            yield f"{name} is {found}, not {expected}"


def _without_case(catalogue: Catalogue, version: Version) -> str | None:
    edition = version.edition
    rules = {(region, name) for region, some in version.branches.items() for name in some}
    for case in version.cases:
        if case.gross_g is None:
            continue
        try:
            sum_ = catalogue.explain(
                edition.activity,
                region=case.region,
                day=case.day,
                level=case.level,
                data=case.data,
                version=edition.version,
            )
        except (DataInvalid, AssertionError, ArithmeticError, LookupError, TypeError):
            continue  # the case itself says so
        rules.discard((cast("str", sum_.region), cast("str", sum_.branch)))
    left = ", ".join(f"{region} {name}" for region, name in sorted(rules))
    return f"no case uses {left}" if left else None


def _impure(source: str) -> str | None:
    tree = ast.parse(source)
    imported = {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    imported |= {
        name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names
    }
    called = {
        node.func.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    strange = sorted((imported - MAY_IMPORT) | (called - MAY_CALL - _functions(tree)))
    return (
        f"it knows more than arithmetic and the contract: {', '.join(strange)}" if strange else None
    )


def _functions(tree: ast.AST) -> set[str]:
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def _units(version: Version) -> Iterator[Proof]:
    units = {factor.unit for values in version.factors.values() for factor in values}
    units |= {one.unit for one in version.inputs if one.unit is not None}
    for unit in sorted(units):
        yield Proof("unit-parses", unit, refusal_of(unit))

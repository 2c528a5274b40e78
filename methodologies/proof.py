"""Runs what a version says about itself: its cases, its rules, its units, what its code may know.

The same for a packaged version in the tests and for somebody's own with `saxaul methodology check`.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import cast

from methodologies.case_proof import wrong_case
from methodologies.catalogue import Catalogue
from methodologies.contract import DataInvalid, Edition
from methodologies.folder import CODE, Version
from methodologies.register import Register
from methodologies.units import refusal_of

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


def prove(version: Version, source: str | None) -> tuple[Proof, ...]:
    """Try everything that can be tried without a service, and return each thing tried.

    `source` is the text of estimate.py, or None where the formulas do the sum.
    """
    alone = replace(version, edition=replace(version.edition, status="published"))
    catalogue = Catalogue((alone,), Register((), ()))
    cases = [Proof("worked-cases", case.name, wrong_case(catalogue, alone.edition, case))
             for case in version.cases]  # fmt: skip
    return (
        *cases,
        Proof("every-rule-has-a-case", "rules", _without_case(catalogue, alone)),
        *([] if source is None else [Proof("pure", CODE, _impure(source))]),
        Proof("a-later-version-says-its-change", "changes", _silent(alone.edition)),
        *_units(version),
    )


def _silent(edition: Edition) -> str | None:
    if edition.version == FIRST or "changes" in edition.sheet:
        return None
    return f"{edition.reference} must say its changes (reason, effect, reviewer): rule 6.1"


def placeholders(version: Version) -> tuple[str, ...]:
    """Return the ids of factors that still have a value of the skeleton: not to be published."""
    return tuple(
        factor.id
        for values in version.factors.values()
        for factor in values
        if PLACEHOLDER in factor.flags
    )


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

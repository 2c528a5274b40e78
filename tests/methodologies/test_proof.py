"""What a version says about itself can be wrong, and each wrong thing is found."""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from itertools import count
from typing import Any

import pytest

from methodologies.authoring.drafts import source_of
from methodologies.case_proof import wrong_receipt
from methodologies.cases import Case
from methodologies.catalogue import Catalogue
from methodologies.contract import Estimate, FactorTable, Inputs, Refusal
from methodologies.folder import PACKAGED, Version, read_version
from methodologies.proof import prove
from methodologies.register import Register

FOLDER = PACKAGED / "transit_metro/v1"
METRO = read_version(FOLDER)
SUM = METRO.estimate
assert SUM
CREDITED = next(case for case in METRO.cases if case.credited_mg)
REFUSED = next(case for case in METRO.cases if case.refused and case.mentions)


def wrong(version: Version, source: str | None = None) -> list[str]:
    """What does not hold, as `rule: what is wrong`."""
    proofs = prove(version, source or source_of(FOLDER))
    return [f"{one.rule}: {one.wrong}" for one in proofs if one.wrong]


def with_case(case: Case, **changes: object) -> Version:
    """The version with one of its cases changed."""
    changed = replace(case, **changes)  # type: ignore[arg-type]  # the tests name fields of a case
    return replace(METRO, cases=tuple(changed if one is case else one for one in METRO.cases))


def test_the_version_holds_as_it_is() -> None:
    assert wrong(METRO) == []


@pytest.mark.parametrize(
    ("case", "changes", "why"),
    [
        (CREDITED, {"credited_mg": 1}, "credited_mg is 794592, not 1"),
        (CREDITED, {"gross_g": Decimal(1)}, "gross_g is 892.8, not 1"),
        (CREDITED, {"flags": ("x",)}, "flags is"),
        (CREDITED, {"claims": ("x:y",)}, "claims is"),
        (CREDITED, {"uses_region": "GB"}, "region is CN, not GB"),
        (CREDITED, {"gross_g": None, "credited_mg": None, "refused": "implausible"},
         "where implausible is expected"),
        (CREDITED, {"gross_g": None, "credited_mg": None, "invalid": "distance_km"},
         "where distance_km is expected"),
        (CREDITED, {"data": {"distance_km": "far"}}, "its data cannot be read"),
        (REFUSED, {"refused": "out_of_period"}, "it is refused"),
        (REFUSED, {"mentions": "the moon"}, "does not mention 'the moon'"),
    ],
)  # fmt: skip
def test_a_case_that_says_other_than_it_gives_is_found(
    case: Case, changes: dict[str, object], why: str
) -> None:
    (found,) = wrong(with_case(case, **changes))[:1]

    assert found.startswith("worked-cases: ")
    assert why in found


def test_a_rule_without_a_case_is_found() -> None:
    alone = replace(METRO, cases=(CREDITED,))

    assert any(one.startswith("every-rule-has-a-case: no case uses") for one in wrong(alone))


def other_at(*calls: int) -> Callable[[Inputs, FactorTable], Estimate]:
    """A sum that gives a gram more at some of its calls, counted from 1."""
    counted = count(1)

    def estimate(inputs: Inputs, factors: FactorTable) -> Estimate:
        branch, baseline_g, project_g, leakage_g = SUM(inputs, factors)
        return Estimate(branch, baseline_g + (next(counted) in calls), project_g, leakage_g)

    return estimate


@pytest.mark.parametrize(
    ("calls", "why"),
    [
        ((1, 2, 3), "the written formula is not the sum of estimate.py"),
        ((2,), "it depends on the caller's decimal context"),
        ((1, 2), "gross_mg is 892800 in its receipt, not 893800"),
    ],
)
def test_a_sum_that_differs_from_itself_or_its_formula_is_found(
    calls: tuple[int, ...], why: str
) -> None:
    version = replace(METRO, cases=(CREDITED,), estimate=other_at(*calls))

    (found,) = (one for one in wrong(version) if one.startswith("worked-cases"))

    assert why in found


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"credited_mg": 1}, "credited_mg is 1 in its receipt"),
        ({"flags": ("x",)}, "flags is ('x',) in its receipt"),
        ({"region": "GB"}, "region is GB in its receipt"),
        ({"lines": ()}, "lines is [] in its receipt"),
        ({"refusal": Refusal("implausible", "no")}, "its receipt says Refusal"),
        ({"lines": "+ 1"}, "lines give 893.8 g gross, not 892.8"),
        ({"lines": "* 1"}, None),
    ],
)
def test_a_receipt_of_another_sum_is_found(changes: dict[str, Any], why: str | None) -> None:
    catalogue = Catalogue((METRO,), Register((), ()))
    asked = {"region": CREDITED.region, "day": CREDITED.day, "level": CREDITED.level,
             "data": CREDITED.data}  # fmt: skip
    result = catalogue.assess("transit.metro", **asked)
    sum_ = catalogue.explain("transit.metro", **asked, version=None)
    if isinstance(changes.get("lines"), str):
        more = changes["lines"]
        changes = {"lines": tuple(
            replace(one, formula=f"{one.formula} {more}") if one.name == "gross" else one
            for one in sum_.lines
        )}  # fmt: skip

    found = list(wrong_receipt(result, replace(sum_, **changes)))

    assert any(why in one for one in found) if why else not found


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("import os\n", "os"),
        ("from time import time\n", "time"),
        ("def estimate(inputs, factors):\n    return open('x')\n", "open"),
    ],
)
def test_code_that_knows_more_than_arithmetic_is_found(source: str, why: str) -> None:
    assert wrong(METRO, source) == [f"pure: it knows more than arithmetic and the contract: {why}"]

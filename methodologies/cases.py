"""The worked cases of a version: an event, its sum by hand, and what must come out.

The tests run them; the loader only checks that they can be read and that there are some.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import cast

from methodologies.contract import LEVELS
from methodologies.document import Cursor

CASES_MIN = 3
REFUSALS = ("no_methodology", "implausible", "out_of_period", "evidence_too_weak")


@dataclass(frozen=True, slots=True)
class Case:
    """A worked case: an event, its sum by hand, and what must come out.

    Exactly one of three is given: `gross_g` (grams) with `credited_mg`, `refused` (the reason), or
    `invalid` (the input that cannot be read). What else is None is not compared.
    """

    name: str
    by_hand: str
    region: str | None
    day: date
    level: str
    data: Mapping[str, object]
    gross_g: Decimal | None
    credited_mg: int | None
    refused: str | None
    mentions: str | None
    invalid: str | None
    uses_region: str | None
    flags: tuple[str, ...] | None
    claims: tuple[str, ...] | None


def read_cases(root: Cursor) -> tuple[Case, ...]:
    """Read all cases of one cases.yaml, in its order.

    CatalogueBroken: a case that cannot be read, a name twice, or too few cases.
    """
    cases: dict[str, Case] = {}
    for item in root.items():
        case = _read_case(item)
        if case.name in cases:
            raise item.broken(f"two cases are named {case.name!r}")
        cases[case.name] = case
    if len(cases) < CASES_MIN:
        raise root.broken(f"a version needs at least {CASES_MIN} cases", rule="worked-cases")
    return tuple(cases.values())


def _read_case(item: Cursor) -> Case:
    fields = item.table(needs=["name", "given", "by_hand", "expect"])
    given = fields["given"].table(needs=["region", "day", "level", "data"])
    expect = fields["expect"].table(
        needs=[],
        may=[
            "gross_g",
            "credited_mg",
            "refused",
            "mentions",
            "invalid",
            "region",
            "flags",
            "claims",
        ],
    )
    if len({"gross_g", "refused", "invalid"} & expect.keys()) != 1 or (
        ("gross_g" in expect) != ("credited_mg" in expect)
    ):
        raise fields["expect"].broken(
            "a case expects gross_g and credited_mg, or refused, or invalid"
        )
    return Case(
        name=fields["name"].text(),
        by_hand=fields["by_hand"].text(),
        region=None if given["region"].is_null() else given["region"].text(),
        day=given["day"].day(),
        level=given["level"].one_of(LEVELS),
        data=cast("Mapping[str, object]", given["data"].plain()),
        gross_g=expect["gross_g"].number() if "gross_g" in expect else None,
        credited_mg=expect["credited_mg"].count() if "credited_mg" in expect else None,
        refused=expect["refused"].one_of(REFUSALS) if "refused" in expect else None,
        mentions=expect["mentions"].text() if "mentions" in expect else None,
        invalid=expect["invalid"].text() if "invalid" in expect else None,
        uses_region=expect["region"].text() if "region" in expect else None,
        flags=expect["flags"].texts() if "flags" in expect else None,
        claims=expect["claims"].texts() if "claims" in expect else None,
    )

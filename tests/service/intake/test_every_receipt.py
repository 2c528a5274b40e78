"""The receipt of every event that can be made verifies, and no field of it can be changed."""

import copy
import dataclasses
from collections import Counter
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from any_event import (
    ANY_DATA,
    CATALOGUE,
    EDITIONS,
    OVERLAPS,
    REPORTER,
    an_assessor,
    any_event,
    as_recorded,
    at_noon,
    cases_of,
    decided,
    parsed,
)
from builders import NOW, a_ride, an_order, report_all, unique
from hypothesis import assume, event, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from methodologies.verify import (
    FORMAT,
    FORMAT_1,
    FORMAT_2,
    ReceiptUnreadable,
    digest_of_receipt,
    read_receipt,
    verify,
)
from service.actions.receipt import receipt_of
from service.errors import ServiceError
from service.intake.day_state import DayState

NO_SALT = (False,)
ISSUED = sorted((Path(__file__).parent / "receipts").glob("*.json"))
PUNCTUAL = dataclasses.replace(REPORTER, scopes=frozenset({"events:write"}))
ASSESSOR = an_assessor(Path("/nowhere"))
quick = settings(deadline=None, database=None, max_examples=150)
thorough = settings(deadline=None, database=None, max_examples=12)


@st.composite
def receipts(draw: st.DrawFn, *, salts: tuple[bool, ...] = (True, False)) -> dict[str, Any]:
    """The receipt of any event, whatever the person has already; as its reader gets it.

    `salts` says whether the action has a salt, or that either may be.
    """
    sent = draw(any_event())
    if draw(st.integers(0, 9)) == 0:
        sent = {**sent, "time": "2024-02-29T23:59:59.999999+08:00", "data": draw(ANY_DATA)}
    caller = draw(st.sampled_from([REPORTER, PUNCTUAL]))
    try:
        candidate = ASSESSOR.candidate(parsed(sent), caller, NOW)
    except (ServiceError, ValidationError):
        assume(False)
    day = draw(
        st.builds(
            DayState,
            actions=st.sampled_from([0, 0, 0, 1, 50]),
            points=st.sampled_from([0, 0, 0, 10**6]),
            quantity_milli=st.sampled_from([0, 0, 0, 10**9]),
        )
    )
    outcome = decided(candidate, day, claimed=draw(st.integers(0, 9)) == 0)
    event(outcome.outcome)
    row: Any = as_recorded(candidate, outcome)
    if not draw(st.sampled_from(salts)):  # recorded before there were salts
        row["salt"] = None
    return read_receipt(orjson.dumps(receipt_of(CATALOGUE, row)))


def pointers(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The pointer to every part of a JSON value, the inner ones too."""
    parts = value.items() if isinstance(value, dict) else enumerate(value)
    for name, part in parts:
        yield (*at, name)
        if isinstance(part, dict | list):
            yield from pointers(part, (*at, name))


def other_than(value: Any) -> Any:
    """Another value, of the same kind where there is one."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    if isinstance(value, str):
        return f"{value[:-1]}0" if value[-1:] not in ("0", "") else f"{value[:-1]}1"
    return "0" if value is None else None


def forgeries(receipt: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The receipt with a single field changed, removed or added, for each of its pointers."""
    for pointer in [(), *pointers(receipt)]:
        for how in ("changed", "removed", "added"):
            forged = copy.deepcopy(receipt)
            holder: Any = forged
            for name in pointer[:-1]:
                holder = holder[name]
            inner = holder[pointer[-1]] if pointer else forged
            if how == "added":
                if isinstance(inner, dict):
                    inner["more"] = None
                elif isinstance(inner, list):
                    inner.append(None)
                else:
                    continue
            elif not pointer:
                continue
            elif how == "removed":
                del holder[pointer[-1]]
            else:
                holder[pointer[-1]] = other_than(holder[pointer[-1]])
            yield f"{'/'.join(map(str, pointer))} {how}", forged


def holds(receipt: dict[str, Any]) -> bool:
    try:
        return not verify(read_receipt(orjson.dumps(receipt)), CATALOGUE).differences
    except ReceiptUnreadable:
        return False


def as_second_format(receipt: dict[str, Any]) -> dict[str, Any]:
    """A receipt of an action without a salt, as it was written before there were any."""
    old = copy.deepcopy(receipt)
    assert old["recorded"].pop("salt") is None
    old["format"] = FORMAT_2
    old["digests"]["receipt"] = digest_of_receipt(old)
    return old


def as_first_format(receipt: dict[str, Any], overlap: str) -> dict[str, Any]:
    """A receipt as it was written before the format's second version."""
    old = as_second_format(receipt)
    old["format"] = FORMAT_1
    old["event"]["inventory_overlap"] = overlap
    old["standing"] = old.pop("status")
    old["digests"]["receipt"] = digest_of_receipt(old)
    return old


@quick
@given(receipts())
def test_the_receipt_of_any_event_holds(receipt: dict[str, Any]) -> None:
    assert verify(receipt, CATALOGUE).differences == ()


@quick
@given(receipts(salts=NO_SALT))
def test_one_of_the_second_format_holds(receipt: dict[str, Any]) -> None:
    assert verify(as_second_format(receipt), CATALOGUE).differences == ()


@quick
@given(receipts(), st.sampled_from(["another", "none", "first form"]))
def test_no_receipt_holds_under_another_salt(receipt: dict[str, Any], how: str) -> None:
    """Also when the forger mends the receipt's own digest: the leaf is what the journal holds."""
    forged = copy.deepcopy(receipt)
    had = forged["recorded"]["salt"]
    if how == "another" or had is None:
        forged["recorded"]["salt"] = "00" * 16
    elif how == "none":
        forged["recorded"]["salt"] = None
    else:
        del forged["recorded"]["salt"]
        forged["format"] = FORMAT_2
    forged["digests"]["receipt"] = digest_of_receipt(forged)

    assert [one.pointer for one in verify(forged, CATALOGUE).differences] == ["/digests/leaf"]


@pytest.mark.parametrize("salt", [7, "", "00" * 15, "zz" * 16, "AB" * 16, ["00" * 16]])
def test_what_is_no_salt_is_said(salt: object) -> None:
    receipt = read_receipt(
        orjson.dumps({**orjson.loads(ISSUED[0].read_bytes()), "format": FORMAT_2})
    )
    wrong = {**receipt, "format": FORMAT, "recorded": {**receipt["recorded"], "salt": salt}}

    with pytest.raises(ReceiptUnreadable, match="/recorded/salt"):
        read_receipt(orjson.dumps(wrong))


@quick
@given(receipts(salts=NO_SALT))
def test_one_of_the_first_format_holds(receipt: dict[str, Any]) -> None:
    scope, stated = receipt["event"]["scope"], receipt["event"]["inventory_overlap"]
    recorded = stated or ("s3" if scope == "3" else "none")

    assert verify(as_first_format(receipt, recorded), CATALOGUE).differences == ()


@quick
@given(receipts(salts=NO_SALT), st.sampled_from(OVERLAPS))
def test_one_of_the_first_format_shows_no_other_overlap(
    receipt: dict[str, Any], other: str
) -> None:
    """Also when the forger mends the receipt's own digest, so that the leaf is still right."""
    scope, stated = receipt["event"]["scope"], receipt["event"]["inventory_overlap"]
    assume(other not in (stated or ("s3" if scope == "3" else "none"), "none"))

    assert verify(as_first_format(receipt, other), CATALOGUE).differences != ()


@thorough
@given(receipts())
def test_no_single_field_can_be_changed(receipt: dict[str, Any]) -> None:
    assert [which for which, forged in forgeries(receipt) if holds(forged)] == []


@pytest.mark.parametrize("file", ISSUED, ids=lambda file: file.stem)
def test_one_that_was_issued_before_holds_and_cannot_be_changed(file: Path) -> None:
    receipt = read_receipt(file.read_bytes())

    assert receipt["format"] == (FORMAT_2 if file.stem.startswith("second-") else FORMAT_1)
    assert verify(receipt, CATALOGUE).differences == ()
    assert [which for which, forged in forgeries(receipt) if holds(forged)] == []


def events_of_all_cases() -> list[dict[str, Any]]:
    """An event for each worked case, and among them those that others leave no room for."""
    attributes = cycle(
        [{}, {"scope": "3"}, {"scope": "3+"}, {"evidencelevel": "L0"}, {"evidencelevel": "L1"}]
        + [{"inventoryoverlap": overlap} for overlap in OVERLAPS]
    )
    events: list[dict[str, Any]] = [
        {
            **a_ride(time=at_noon(case.day), type=edition.activity, **next(attributes)),
            "data": {**case.data, **({} if case.region is None else {"region": case.region})},
        }
        for editions in EDITIONS.values()
        for edition in editions
        for case in cases_of(edition)
        if case.day < NOW.date()
    ]
    subject, claimed = unique("person"), {"trip_id": unique("trip")}
    many = [an_order(subject=subject, inventoryoverlap="merchant_s3") for _ in range(12)]
    once = [a_ride(claimed, inventoryoverlap="s1"), a_ride(claimed, inventoryoverlap="s2")]
    return [*events, *many, *once]


async def test_the_receipts_of_what_was_recorded_hold(
    backfill: httpx.AsyncClient, partner: httpx.AsyncClient
) -> None:
    results = await report_all(backfill, events_of_all_cases())
    outcomes = Counter(one.get("outcome", "problem") for one in results)
    stated: Counter[bool] = Counter()
    for one in results:
        if "problem" not in one:
            answer = await partner.get(f"/v1/actions/{one['action_id']}/receipt")
            receipt = read_receipt(answer.content)
            stated[receipt["event"]["inventory_overlap"] is not None] += 1

            assert verify(receipt, CATALOGUE).differences == (), one

    assert {"credited", "capped", "zero", "refused", "already_claimed"} <= outcomes.keys()
    assert outcomes["problem"] == 0
    assert stated[True] > 100 < stated[False]


@pytest.mark.parametrize(
    ("said", "recorded", "shown"),
    [
        ({}, "none", None),
        ({"scope": "3"}, "s3", None),
        ({"inventoryoverlap": "none"}, "none", "none"),
        ({"inventoryoverlap": "s3_cat7"}, "s3_cat7", "s3_cat7"),
        ({"inventoryoverlap": "s3", "scope": "3"}, "s3", "s3"),
        ({"inventoryoverlap": "merchant_s3"}, "merchant_s3", "merchant_s3"),
    ],
)
async def test_a_receipt_shows_what_was_stated_and_an_action_what_was_recorded(
    partner: httpx.AsyncClient, said: dict[str, str], recorded: str, shown: str | None
) -> None:
    [result] = await report_all(partner, [a_ride(**said)])
    action = (await partner.get(f"/v1/actions/{result['action_id']}")).json()
    receipt = (await partner.get(f"/v1/actions/{result['action_id']}/receipt")).json()

    assert action["inventory_overlap"] == recorded
    assert receipt["event"]["inventory_overlap"] == shown
    assert receipt["status"] == {
        "held": False, "transferred_to": None, "reversed": None, "corroborated_by": None,
    }  # fmt: skip
    assert verify(receipt, CATALOGUE).differences == ()

"""A receipt can be done again by anyone, and a change anywhere in it is found."""

import copy
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from builders import a_bike_ride, a_box, a_bus_ride, an_event, an_invoice, an_order, report
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from methodologies.catalogue import load_catalogue
from methodologies.folder import PACKAGED, PACKAGED_CODE
from methodologies.verify import (
    ReceiptUnreadable,
    digest_of_receipt,
    read_receipt,
    verify,
)

CATALOGUE = load_catalogue()
MAKERS = {
    "metro": an_event,
    "bus": a_bus_ride,
    "bike in a province": lambda: a_bike_ride({"region": "CN-ZJ"}),
    "order": an_order,
    "nothing avoided": an_invoice,
    "box": a_box,
    "many inputs": lambda: an_event({"city": "北京", "line": "4", "mode": "metro"}),
    "refused": lambda: an_event({"region": "FR"}),
    "implausible": lambda: an_event({"distance_km": "500"}),
}
SOME = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-10, 10**9),
    st.text(max_size=8),
    st.lists(st.text(max_size=3), max_size=2),
)


@pytest.fixture(scope="module", params=sorted(MAKERS))
async def receipt(request: pytest.FixtureRequest, partner: httpx.AsyncClient) -> dict[str, Any]:
    result = await report(partner, MAKERS[request.param]())
    answer = await partner.get(f"/v1/actions/{result['action_id']}/receipt")
    return read_receipt(answer.content)


def places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place in a JSON value, the inner ones too."""
    parts = value.items() if isinstance(value, dict) else enumerate(value)
    for name, part in parts:
        yield (*at, name)
        if isinstance(part, dict | list):
            yield from places(part, (*at, name))


def holds(receipt: dict[str, Any]) -> bool:
    try:
        return not verify(read_receipt(orjson.dumps(receipt)), CATALOGUE).differences
    except ReceiptUnreadable:
        return False


def holder_of(receipt: dict[str, Any], place: tuple[Any, ...]) -> Any:
    found: Any = receipt
    for name in place[:-1]:
        found = found[name]
    return found


def test_a_real_receipt_holds(receipt: dict[str, Any]) -> None:
    assert verify(receipt, CATALOGUE).differences == ()


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_changed_field_is_found(receipt: dict[str, Any], data: st.DataObject) -> None:
    place = data.draw(st.sampled_from(sorted(places(receipt), key=str)))
    forged = copy.deepcopy(receipt)
    holder = holder_of(forged, place)
    if data.draw(st.booleans(), label="removed"):
        del holder[place[-1]]
    else:
        value = data.draw(SOME)
        if type(value) is type(holder[place[-1]]) and value == holder[place[-1]]:
            return
        holder[place[-1]] = value

    assert not holds(forged), place


# Where the digest of the whole was made anew: what the sum and the hashes still find.
RESUMMED = [
    ("/assessment/lines/0/value", "1"),
    ("/assessment/factors/0/value", "0.2"),
    ("/assessment/factors/0/source/title", "hearsay"),
    ("/assessment/conservativeness_factor", "1"),
    ("/assessment/methodology/digest", f"sha256:{'0' * 64}"),
    ("/recorded/gross_mg", "999999999"),
    ("/recorded/avoided_mg", "999999999"),
    ("/recorded/points", 10**6),
    ("/recorded/outcome", "capped"),
    ("/event/data/distance_km", "100"),
    ("/event/time", "2026-06-15T08:30:01+08:00"),
    ("/event/scope", "3"),
]


@pytest.mark.parametrize(("pointer", "value"), RESUMMED)
async def test_a_forger_who_mends_the_digest_is_found_and_the_place_is_named(
    partner: httpx.AsyncClient, pointer: str, value: object
) -> None:
    result = await report(partner, an_event())
    answer = await partner.get(f"/v1/actions/{result['action_id']}/receipt")
    forged = read_receipt(answer.content)
    place = tuple(int(one) if one.isdigit() else one for one in pointer.split("/")[1:])
    holder_of(forged, place)[place[-1]] = value
    forged["digests"]["receipt"] = digest_of_receipt(forged)

    found = [one.pointer for one in verify(forged, CATALOGUE).differences]

    hashed = {"/recorded/points", "/recorded/outcome"}
    event = {"/event/time", "/event/scope", "/event/data/distance_km"}
    expected = "/digests/leaf" if pointer in hashed else pointer
    assert ("/digests/content" if pointer in event else expected) in found


async def test_a_withdrawn_version_is_said_and_still_recomputed(
    partner: httpx.AsyncClient, tmp_path: Path
) -> None:
    result = await report(partner, an_event())
    answer = await partner.get(f"/v1/actions/{result['action_id']}/receipt")
    folder = tmp_path / "catalogue"
    shutil.copytree(
        PACKAGED,
        folder,
        ignore=shutil.ignore_patterns("__pycache__", "[a-z]*.py", "*.md", *PACKAGED_CODE),
    )
    for estimate in PACKAGED.glob("*/v*/estimate.py"):
        shutil.copy(estimate, folder / estimate.relative_to(PACKAGED))
    (folder / "WITHDRAWN").write_text("transit.metro@1.0.0 the baseline is wrong\n")

    verdict = verify(read_receipt(answer.content), load_catalogue(folder))

    assert verdict.differences == ()
    assert "withdrawn since" in verdict.notes[0]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"[]", "a JSON object is expected"),
        (b"{}", "'format' is missing"),
        (b'{"format": 1}', "'format' is missing"),
    ],
)
def test_what_is_no_receipt_is_said(content: bytes, why: str) -> None:
    with pytest.raises(ReceiptUnreadable, match=why):
        read_receipt(content)


async def test_an_unknown_version_is_said(partner: httpx.AsyncClient) -> None:
    result = await report(partner, an_event())
    receipt = (await partner.get(f"/v1/actions/{result['action_id']}/receipt")).json()
    receipt["recorded"]["methodology"] = "transit.metro@9.0.0"

    with pytest.raises(ReceiptUnreadable, match=r"transit\.metro@9\.0\.0 is not among"):
        verify(receipt, CATALOGUE)

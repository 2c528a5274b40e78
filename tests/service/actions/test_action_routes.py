"""An action as recorded, and its receipt: the sum that anyone can do again."""

from decimal import Decimal
from hashlib import sha256
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
import rfc8785
from builders import a_bike_ride, an_event, an_invoice, an_order, report, unique
from fastapi import FastAPI
from sqlalchemy import text

from methodologies.leaf import leaf_of_reversal, leaf_of_transfer


async def test_an_action_is_found_by_its_id(partner: httpx.AsyncClient) -> None:
    event = an_event({"city": "北京"})
    result = await report(partner, event)

    answer = await partner.get(f"/v1/actions/{result['action_id']}")

    body = answer.json()
    assert answer.status_code == 200
    assert (body["source"], body["id"], body["activity"]) == ("metro", event["id"], "transit.metro")
    assert (body["gross_mg"], body["avoided_mg"], body["points"]) == ("892800", "794592", 794)
    assert body["occurred_at"] == "2026-06-15T08:30:00+08:00"
    assert body["recorded_at"].startswith("2026-06-15T04:00:00")
    assert body["region"] == "CN"
    assert body["data"]["city"] == "北京"
    assert "region" not in body["data"]
    assert body["reversal"] is None
    assert "subject" not in body


async def test_a_refused_action_is_found_too(partner: httpx.AsyncClient) -> None:
    result = await report(partner, an_event({"region": "FR"}))

    body = (await partner.get(f"/v1/actions/{result['action_id']}")).json()

    assert (body["outcome"], body["reason"]) == ("refused", "no_methodology")
    assert body["methodology"] is None


@pytest.mark.parametrize("time", ["2020-12-31T10:00:00Z", "2021-01-01T00:00:00Z"])
async def test_an_old_action_is_found(backfill: httpx.AsyncClient, time: str) -> None:
    result = await report(backfill, an_event(time=time))

    answer = await backfill.get(f"/v1/actions/{result['action_id']}")

    assert answer.json()["action_id"] == result["action_id"]


@pytest.mark.parametrize("path", ["", "/receipt"])
async def test_nobody_elses_action_is_found(
    partner: httpx.AsyncClient, rival: httpx.AsyncClient, person, path: str
) -> None:
    subject = unique("person")
    result = await report(partner, an_event(subject=subject))
    address = f"/v1/actions/{result['action_id']}{path}"

    async with person(unique("person")) as stranger, person(subject) as owner:
        answers = [await client.get(address) for client in (rival, stranger, owner, partner)]

    assert [answer.status_code for answer in answers] == [404, 404, 200, 200]
    assert answers[0].json()["type"] == "/problems/action-not-found"


async def test_an_unknown_action_is_not_found(partner: httpx.AsyncClient) -> None:
    for unknown in (uuid4(), UUID(int=0), UUID(int=2**128 - 1)):
        answer = await partner.get(f"/v1/actions/{unknown}")
        assert answer.status_code == 404


async def test_an_id_that_is_none_is_invalid(partner: httpx.AsyncClient) -> None:
    answer = await partner.get("/v1/actions/7")

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "/path/action_id"


async def test_a_receipt_holds_the_whole_sum(partner: httpx.AsyncClient) -> None:
    result = await report(partner, an_event())

    receipt = (await partner.get(f"/v1/actions/{result['action_id']}/receipt")).json()

    lines = receipt["assessment"]
    factors = {one["id"]: one for one in lines["factors"]}
    names = ("cn.travel.baseline_mix", "cn.travel.metro")
    mix, metro = (Decimal(factors[name]["value"]) for name in names)
    gross_g = Decimal("12.4") * (mix - metro) * 1000
    assert int(gross_g * 1000) == int(lines["gross_mg"]) == 892800
    assert int(gross_g * 1000 * Decimal(lines["conservativeness_factor"])) == 794592
    assert receipt["recorded"]["avoided_mg"] == "794592"
    assert all(factor["source"] and factor["unit"] for factor in factors.values())
    assert receipt["event"]["data"]["distance_km"] == "12.4"


async def leaves_of(app: FastAPI, action_id: str) -> bytes:
    """What the journal holds of the batch of an action."""
    query = text(
        "SELECT leaves FROM journal JOIN action USING (batch_id) WHERE action_id = :action"
    )
    async with app.state.runtime.resources.sessions() as session:
        return bytes((await session.execute(query, {"action": action_id})).scalar_one())


async def test_the_digests_of_a_receipt_can_be_done_again(
    app: FastAPI, partner: httpx.AsyncClient
) -> None:
    result = await report(partner, an_event())

    receipt = (await partner.get(f"/v1/actions/{result['action_id']}/receipt")).json()

    digests, recorded = receipt["digests"], receipt["recorded"]
    content = digests["content"].removeprefix("sha256:")
    fields = ("methodology", "outcome", "gross_mg", "avoided_mg")
    said = rfc8785.dumps(
        {
            "kind": "action",
            "action": receipt["action_id"].replace("-", ""),
            "content": content,
            "points": str(recorded["points"]),
            **{name: recorded[name] for name in fields},
        }
    )
    commitment = sha256(bytes.fromhex(recorded["salt"]) + said).digest()
    leaf = sha256(b"\0" + commitment)
    assert digests["leaf"] == f"sha256:{leaf.hexdigest()}"
    assert await leaves_of(app, result["action_id"]) == leaf.digest()
    sheet = (await partner.get("/v1/methodologies/transit.metro/1.0.0")).json()
    assert digests["methodology"] == sheet["digest"]


async def test_the_leaves_of_what_befell_an_action_can_be_done_again(
    app: FastAPI, partner: httpx.AsyncClient, admin: httpx.AsyncClient
) -> None:
    undone, moved = [(await report(partner, an_event()))["action_id"] for _ in range(2)]
    reversal = {"reason": "refund|0|0"}
    transfer = {"scheme": "beijing|maas", "reference": "Q1"}
    done = await partner.post(f"/v1/actions/{undone}/reversal", json=reversal)
    went = await admin.post(f"/v1/actions/{moved}/transfer", json=transfer)

    of_reversal, of_transfer = [
        (await one_of(app, table, action))
        for table, action in (("reversal", undone), ("transfer", moved))
    ]

    assert done.is_success, done.text
    assert went.is_success, went.text
    assert len(of_reversal.salt) == len(of_transfer.salt) == 16
    assert of_reversal.salt != of_transfer.salt
    assert of_reversal.leaves == leaf_of_reversal(
        salt=of_reversal.salt,
        action=UUID(undone).hex,
        avoided_mg=int(done.json()["avoided_mg"]),
        points=done.json()["points"],
        **reversal,
    )
    assert of_transfer.leaves == leaf_of_transfer(
        salt=of_transfer.salt, action=UUID(moved).hex, **transfer
    )


async def one_of(app: FastAPI, table: str, action_id: str) -> Any:
    """The salt of a fact about an action, and what the journal holds of its batch."""
    query = text(
        f"SELECT salt, leaves FROM {table} JOIN journal USING (bucket, batch_id) "
        "WHERE action_id = :action"
    )
    async with app.state.runtime.resources.sessions() as session:
        return (await session.execute(query, {"action": action_id})).one()


@pytest.mark.parametrize(
    "event", [a_bike_ride, an_order, an_invoice, lambda: an_order({"merchant_complied": False})]
)
async def test_every_receipt_adds_up(partner: httpx.AsyncClient, event) -> None:
    result = await report(partner, event())

    receipt = (await partner.get(f"/v1/actions/{result['action_id']}/receipt")).json()

    assert receipt["assessment"]["gross_mg"] == receipt["recorded"]["gross_mg"]
    assert receipt["assessment"]["credited_mg"] == receipt["recorded"]["avoided_mg"]


async def test_a_refused_action_has_a_receipt_without_a_sum(partner: httpx.AsyncClient) -> None:
    result = await report(partner, an_event({"region": "FR"}))

    receipt = (await partner.get(f"/v1/actions/{result['action_id']}/receipt")).json()

    assert receipt["assessment"] is None
    assert receipt["recorded"]["reason"] == "no_methodology"
    assert receipt["digests"]["methodology"] is None

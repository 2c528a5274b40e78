"""`POST /v1/estimates` says what events would give, and records nothing."""

import json

import httpx
import pytest
from builders import BATCH, SINGLE, an_event, an_invoice, an_order, report, unique
from fastapi import FastAPI
from test_bad_events import recorded


async def test_an_estimate_equals_what_reporting_gives(
    app: FastAPI, partner: httpx.AsyncClient
) -> None:
    event = an_event()
    before = await recorded(app)

    answer = await partner.post("/v1/estimates", json=event, headers=SINGLE)
    after = await recorded(app)
    result = await report(partner, event)

    body = answer.json()
    assert answer.status_code == 200
    assert before == after
    assert result["duplicate"] is False
    assert (body["source"], body["id"]) == (event["source"], event["id"])
    for name in ("outcome", "avoided_mg", "points", "methodology"):
        assert body[name] == result[name]
    assert body["gross_mg"] == "892800"
    assert body["explanation"]["gross_mg"] == "892800"


async def test_any_day_of_the_programme_may_be_asked_about(partner: httpx.AsyncClient) -> None:
    event = an_invoice(time="2023-06-01T10:00:00+08:00")

    answer = await partner.post("/v1/estimates", json=event, headers=SINGLE)

    assert (answer.json()["avoided_mg"], answer.json()["points"]) == ("3540", 3)


async def test_the_points_are_those_of_the_policy_of_the_day(partner: httpx.AsyncClient) -> None:
    answer = await partner.post("/v1/estimates", json=an_invoice(), headers=SINGLE)

    assert (answer.json()["outcome"], answer.json()["points"]) == ("zero", 5)


async def test_a_refusal_is_an_answer(partner: httpx.AsyncClient) -> None:
    answer = await partner.post("/v1/estimates", json=an_event({"region": "FR"}), headers=SINGLE)

    assert answer.status_code == 200
    body = answer.json()
    assert (body["outcome"], body["reason"]) == ("refused", "no_methodology")
    assert body["explanation"] is None


async def test_caps_and_claims_are_not_read(partner: httpx.AsyncClient) -> None:
    subject, order = unique("person"), unique("order")
    events = [an_order({"order_id": order}, subject=subject) for _ in range(8)]

    answer = await partner.post("/v1/estimates", json=events, headers=BATCH)

    assert [one["points"] for one in answer.json()["results"]] == [12] * 8


async def test_a_batch_keeps_its_order_and_its_problems(partner: httpx.AsyncClient) -> None:
    events = [an_event(), an_event(time="never"), an_event(source="not-mine"), an_order()]

    answer = await partner.post("/v1/estimates", json=events, headers=BATCH)

    results = answer.json()["results"]
    assert answer.status_code == 200
    assert [one["id"] for one in results] == [event["id"] for event in events]
    assert [one.get("outcome") for one in results] == ["credited", None, None, "credited"]
    assert results[1]["problem"]["status"] == 422
    assert results[2]["problem"]["status"] == 403


@pytest.mark.parametrize(
    ("event", "status"),
    [
        (an_event(time="never"), 422),
        (an_event(source="not-mine"), 403),
        (an_event(type="moon.walk"), 422),
        (an_event(evidencelevel="L4"), 403),
        (an_event({"distance_km": "far"}), 422),
    ],
)
async def test_a_bad_event_is_a_problem(
    partner: httpx.AsyncClient, event: dict, status: int
) -> None:
    answer = await partner.post("/v1/estimates", content=json.dumps(event), headers=SINGLE)

    assert answer.status_code == status
    assert answer.json()["detail"]

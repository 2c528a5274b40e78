"""An action is undone by a new fact: carbon always, points from where they are."""

from datetime import datetime, timedelta

import httpx
import pytest
from builders import SteppedClock, a_box, an_event, an_invoice, an_order, report, unique
from fastapi import FastAPI

from service.points import store

REFUND = {"reason": "refund"}


async def reverse(client: httpx.AsyncClient, result: dict, body: dict | None = None):
    return await client.post(f"/v1/actions/{result['action_id']}/reversal", json=body or REFUND)


async def points_of(client: httpx.AsyncClient, subject: str) -> dict:
    return (await client.get(f"/v1/people/{subject}")).json()["points"]


async def test_uncollected_points_are_taken_first(partner: httpx.AsyncClient) -> None:
    subject = unique("person")
    result = await report(partner, an_event(subject=subject))

    answer = await reverse(partner, result)

    body = answer.json()
    assert answer.status_code == 201, answer.text
    assert body["action_id"] == result["action_id"]
    assert (body["avoided_mg"], body["points"]) == ("794592", 794)
    assert (body["from_earning"], body["from_balance"], body["as_debt"]) == (794, 0, 0)
    points = await points_of(partner, subject)
    assert (points["ripening"], points["balance"], points["debt"]) == (0, 0, 0)


async def test_the_carbon_is_taken_off_the_person(partner: httpx.AsyncClient) -> None:
    subject = unique("person")
    kept = await report(partner, an_order(subject=subject))
    result = await report(partner, an_event(subject=subject))

    await reverse(partner, result)

    carbon = (await partner.get(f"/v1/people/{subject}")).json()["carbon"]
    assert (carbon["avoided_mg"], carbon["actions"]) == (kept["avoided_mg"], 1)


async def test_the_action_stays_and_says_so(partner: httpx.AsyncClient) -> None:
    result = await report(partner, an_event())

    await reverse(partner, result)

    action = (await partner.get(f"/v1/actions/{result['action_id']}")).json()
    assert action["outcome"] == "credited"
    assert action["avoided_mg"] == "794592"
    assert action["reversal"]["reason"] == "refund"
    assert action["reversal"]["points"] == 794


async def test_collected_points_are_taken_from_the_balance(
    partner: httpx.AsyncClient, clock: SteppedClock
) -> None:
    subject = unique("person")
    result = await report(partner, an_event(subject=subject))
    await report(partner, a_box(subject=subject))
    clock.advance(hours=20)
    await partner.post(f"/v1/people/{subject}/collect")

    body = (await reverse(partner, result)).json()

    assert (body["from_earning"], body["from_balance"], body["as_debt"]) == (0, 794, 0)
    assert (await points_of(partner, subject))["balance"] == 30
    entries = (await partner.get(f"/v1/people/{subject}/entries")).json()["data"]
    assert [(one["kind"], one["points"]) for one in entries] == [
        ("reversal", -794),
        ("collect", 824),
    ]
    assert entries[0]["ref"] == {"action_id": result["action_id"]}


async def test_spent_points_become_a_debt(
    app: FastAPI, partner: httpx.AsyncClient, clock: SteppedClock
) -> None:
    subject = unique("person")
    result = await report(partner, an_event(subject=subject))
    clock.advance(hours=20)
    await partner.post(f"/v1/people/{subject}/collect")
    await spend(app, subject, 700, clock())

    body = (await reverse(partner, result)).json()

    assert (body["from_earning"], body["from_balance"], body["as_debt"]) == (0, 94, 700)
    points = await points_of(partner, subject)
    assert (points["balance"], points["debt"]) == (0, 700)


async def test_a_debt_is_written_after_what_was_in_the_balance(
    app: FastAPI, partner: httpx.AsyncClient, clock: SteppedClock
) -> None:
    for _ in range(6):  # ids of one millisecond are in no order by themselves
        subject = unique("person")
        result = await report(partner, an_event(subject=subject))
        clock.advance(hours=20)
        await partner.post(f"/v1/people/{subject}/collect")
        await spend(app, subject, 700, clock() - timedelta(minutes=1))
        await reverse(partner, result)

        entries = (await partner.get(f"/v1/people/{subject}/entries")).json()["data"]

        assert [one["kind"] for one in entries[:2]] == ["debt", "reversal"]
        assert entries[0]["balance_after"] == -700
        clock.advance(hours=-20)


async def test_a_debt_is_paid_by_what_is_collected(
    app: FastAPI, partner: httpx.AsyncClient, clock: SteppedClock
) -> None:
    subject = unique("person")
    result = await report(partner, an_event(subject=subject))
    clock.advance(hours=20)
    await partner.post(f"/v1/people/{subject}/collect")
    await spend(app, subject, 784, clock())
    await reverse(partner, result)
    await report(partner, an_event(subject=subject, time="2026-06-15T10:00:00+08:00"))
    clock.advance(hours=24)

    collected = (await partner.post(f"/v1/people/{subject}/collect")).json()

    assert (collected["points"], collected["balance"]) == (794, 10)
    assert (await points_of(partner, subject))["debt"] == 0


async def test_lapsed_points_are_gone_already(
    partner: httpx.AsyncClient, clock: SteppedClock
) -> None:
    subject = unique("person")
    result = await report(partner, an_event(subject=subject))
    clock.advance(hours=20 + 72)

    body = (await reverse(partner, result)).json()

    assert (body["from_balance"], body["as_debt"]) == (0, 0)
    assert body["avoided_mg"] == "794592"
    points = await points_of(partner, subject)
    assert (points["balance"], points["debt"], points["collectable"]) == (0, 0, 0)
    assert points["issued"] == points["lapsed"] + body["points"]


async def test_part_collected_and_part_uncollected(
    partner: httpx.AsyncClient, clock: SteppedClock
) -> None:
    subject = unique("person")
    first = await report(partner, an_event(subject=subject))
    clock.advance(hours=20)
    await partner.post(f"/v1/people/{subject}/collect")
    await report(
        partner, an_event({"distance_km": "3"}, subject=subject, time="2026-06-15T09:00:00+08:00")
    )

    body = (await reverse(partner, first)).json()

    assert (body["from_earning"], body["from_balance"], body["as_debt"]) == (192, 602, 0)


async def test_a_reversal_may_be_sent_again(partner: httpx.AsyncClient) -> None:
    subject = unique("person")
    result = await report(partner, an_event(subject=subject))
    first = await reverse(partner, result)

    second = await reverse(partner, result)

    assert (first.status_code, second.status_code) == (201, 200)
    assert second.json() == first.json()
    assert (await points_of(partner, subject))["issued"] == 794


async def test_another_reason_is_a_conflict(partner: httpx.AsyncClient) -> None:
    result = await report(partner, an_event())
    await reverse(partner, result)

    answer = await reverse(partner, result, {"reason": "fraud"})

    assert answer.status_code == 409
    assert answer.json()["type"] == "/problems/reversal-conflict"
    assert "refund" in answer.json()["detail"]


@pytest.mark.parametrize("data", [{"region": "FR"}, {"trip_id": "claimed-before"}])
async def test_what_gave_nothing_cannot_be_taken_back(
    partner: httpx.AsyncClient, data: dict
) -> None:
    await report(partner, an_event(data))
    result = await report(partner, an_event(data))

    answer = await reverse(partner, result)

    assert result["outcome"] in ("refused", "already_claimed")
    assert answer.status_code == 422
    assert answer.json()["type"] == "/problems/action-not-reversible"


async def test_an_action_without_carbon_gives_its_points_back(partner: httpx.AsyncClient) -> None:
    subject = unique("person")
    result = await report(partner, an_invoice(subject=subject))

    body = (await reverse(partner, result)).json()

    assert (body["avoided_mg"], body["points"], body["from_earning"]) == ("0", 5, 5)


async def test_a_capped_action_gives_back_what_it_got(partner: httpx.AsyncClient) -> None:
    subject = unique("person")
    results = [await report(partner, an_order(subject=subject)) for _ in range(7)]

    body = (await reverse(partner, results[-1])).json()

    assert (body["avoided_mg"], body["points"]) == ("0", 0)


async def test_only_who_reported_it_may_reverse_it(
    partner: httpx.AsyncClient, rival: httpx.AsyncClient
) -> None:
    result = await report(partner, an_event())

    answer = await reverse(rival, result)

    assert answer.status_code == 404


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"reason": ""},
        {"reason": "x" * 65},
        {"reason": "a\0b"},
        {"reason": 7},
        {"reason": "refund", "more": 1},
        [],
    ],
)
async def test_a_bad_reason_is_named(partner: httpx.AsyncClient, body: object) -> None:
    result = await report(partner, an_event())

    answer = await partner.post(f"/v1/actions/{result['action_id']}/reversal", json=body)

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"].startswith("/body")
    assert (await partner.get(f"/v1/actions/{result['action_id']}")).json()["reversal"] is None


@pytest.mark.parametrize("content", [b"{", b"\xff", b"[" * 1000])
async def test_a_reversal_that_is_not_json_is_a_problem(
    partner: httpx.AsyncClient, content: bytes
) -> None:
    result = await report(partner, an_event())

    answer = await partner.post(
        f"/v1/actions/{result['action_id']}/reversal",
        content=content,
        headers={"Content-Type": "application/json"},
    )

    assert answer.status_code in (400, 422)
    assert answer.headers["content-type"] == "application/problem+json"


async def spend(app: FastAPI, subject: str, points: int, now: datetime) -> None:
    """Points leave the balance by an entry of another kind, as an order will do it."""
    person = app.state.runtime.hasher.person(subject)
    async with app.state.runtime.resources.sessions() as session, session.begin():
        balance = await store.lock_account(session, person, now)
        await store.append_entry(
            session,
            person,
            kind="order",
            points=-points,
            balance_after=balance - points,
            ref="{}",
            now=now,
        )

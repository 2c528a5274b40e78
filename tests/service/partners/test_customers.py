"""Whose people a partner reports: customers of its own, or the programme's people."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from builders import (
    NOW,
    USUAL,
    APartner,
    SteppedClock,
    a_partner,
    an_event,
    client_of,
    report,
    unique,
)
from fastapi import FastAPI

from service.intake.address import address_of
from service.partners.caller import OWN


@pytest.fixture
async def shop(app: FastAPI) -> AsyncIterator[tuple[APartner, httpx.AsyncClient]]:
    """A partner with customers of its own, and a client that speaks as it."""
    made = await a_partner(
        app.state.runtime.resources.sessions, sources=(unique("shop"),), people=OWN
    )
    async with client_of(app, made.key) as client:
        yield made, client


@pytest.fixture
async def other(app: FastAPI) -> AsyncIterator[tuple[APartner, httpx.AsyncClient]]:
    """Another such partner."""
    made = await a_partner(
        app.state.runtime.resources.sessions, sources=(unique("shop"),), people=OWN
    )
    async with client_of(app, made.key) as client:
        yield made, client


async def account_of(app: FastAPI, result: dict[str, Any]) -> UUID:
    """The account that an action is in."""
    query = "SELECT person_id FROM action WHERE bucket = $1 AND action_id = $2"
    action_id = UUID(result["action_id"])
    async with app.state.runtime.resources.pool.acquire() as connection:
        found: UUID = await connection.fetchval(query, address_of(action_id)[0], action_id)
    return found


async def change(admin: httpx.AsyncClient, partner: APartner, people: str) -> dict[str, Any]:
    answer = await admin.patch(f"/v1/partners/{partner.name}", json={"people": people})
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_two_partners_alice_are_two_accounts_and_neither_is_the_programmes(
    app: FastAPI, shop: Any, other: Any, partner: httpx.AsyncClient
) -> None:
    subject = unique("alice")
    accounts = [
        await account_of(app, await report(client, an_event(source=source, subject=subject)))
        for client, source in (
            (shop[1], shop[0].sources[0]),
            (other[1], other[0].sources[0]),
            (partner, "metro"),
        )
    ]

    assert len(set(accounts)) == 3


@pytest.mark.parametrize("name", ["{shop}%00{alice}", "%00{alice}", "{alice}%00"])
async def test_no_subject_passes_for_another_partners_customer(
    shop: Any, partner: httpx.AsyncClient, name: str
) -> None:
    alice = unique("alice")
    await report(shop[1], an_event(source=shop[0].sources[0], subject=alice))

    answer = await partner.get(f"/v1/people/{name.format(shop=shop[0].name, alice=alice)}/earnings")

    assert answer.status_code == 422, answer.text


async def test_everybody_sees_whose_people_a_partner_reports(
    shop: Any, admin: httpx.AsyncClient
) -> None:
    name = shop[0].name
    before = (await admin.get(f"/v1/partners/{name}")).json()
    changed = await change(admin, shop[0], "programme")
    own = (await shop[1].get("/v1/partner")).json()
    trail = (await admin.get("/v1/audit-events", params={"target": f"partner:{name}"})).json()
    listed = [row async for row in _listed(admin) if row["partner"] == name]

    assert (before["people"], before["people_since"]) == ("own", None)
    assert changed["people"] == own["people"] == listed[0]["people"] == "programme"
    assert [(one["act"], one["changes"]) for one in trail["data"]] == [
        ("partner.people_changed", {"people": ["own", "programme"]})
    ]
    assert changed["people_since"] == NOW.isoformat().replace("+00:00", "Z")


async def _listed(admin: httpx.AsyncClient) -> AsyncIterator[dict[str, Any]]:
    query = {"limit": "200"}
    while True:
        page = (await admin.get("/v1/partners", params=query)).json()
        for row in page["data"]:
            yield row
        if page["next_cursor"] is None:
            return
        query["cursor"] = page["next_cursor"]


async def test_a_new_partner_has_customers_of_its_own_unless_somebody_says_otherwise(
    admin: httpx.AsyncClient,
) -> None:
    made = [
        (await admin.post("/v1/partners", json={"partner": unique("p"), **more})).json()
        for more in ({}, {"people": "programme"})
    ]

    assert [one["people"] for one in made] == ["own", "programme"]


async def test_an_event_of_before_a_change_is_found_in_the_account_that_it_went_to(
    app: FastAPI, shop: Any, admin: httpx.AsyncClient, clock: SteppedClock
) -> None:
    (source,), subject = shop[0].sources, unique("alice")

    def ride() -> dict[str, Any]:
        at = (clock.now - timedelta(hours=1)).isoformat()
        return an_event(source=source, subject=subject, time=at)

    sent, first, again = [], [], []
    for people in ("programme", "own", "programme"):
        sent.append(ride())
        first.append(await report(shop[1], sent[-1]))
        clock.advance(hours=3)
        await change(admin, shop[0], people)
        again.append([await report(shop[1], event) for event in sent])
    accounts = [await account_of(app, one) for one in first]

    assert [one["duplicate"] for one in first] == [False] * 3
    for results in again:
        assert [one["duplicate"] for one in results] == [True] * len(results)
        assert [one["action_id"] for one in results] == [
            one["action_id"] for one in first[: len(results)]
        ]
    assert accounts[0] == accounts[2] != accounts[1]


CLOSED_TO_PARTNERS = (
    "GET /v1/people/{alice}",
    "GET /v1/people/{alice}/earnings",
    "GET /v1/people/{alice}/entries",
    "GET /v1/people/{alice}/statement",
    "GET /v1/people/{alice}/profile",
    "PUT /v1/people/{alice}/profile",
    "GET /v1/people/{alice}/friends",
    "POST /v1/people/{alice}/friends",
    "POST /v1/people/{alice}/shield",
    "GET /v1/people/{alice}/leaderboard",
    "POST /v1/people/{alice}/collect",
    "POST /v1/people/{alice}/grants",
    "GET /v1/people/{alice}/orders",
    "GET /v1/people/{alice}/pools",
    "POST /v1/orders",
    "POST /v1/pools",
    "POST /v1/pools/join",
)
BODIES: dict[str, dict[str, Any]] = {
    "PUT /v1/people/{alice}/profile": {"display_name": "Al"},
    "POST /v1/people/{alice}/friends": {"subject": "bob"},
    "POST /v1/people/{alice}/grants": {"points": 5, "reason": "a gift"},
    "POST /v1/orders": {"project_id": "grove", "subject": "alice"},
    "POST /v1/pools": {"project_id": "grove", "subject": "alice", "name": "We"},
    "POST /v1/pools/join": {"code": "ABCDEFGHJKMN", "subject": "alice"},
}


@pytest.mark.parametrize("route", CLOSED_TO_PARTNERS)
async def test_nobody_acts_from_a_waiting_account_nor_for_somebody_elses_people(
    app: FastAPI, shop: Any, route: str
) -> None:
    """With every scope there is, of one's own customers and of people one never reported."""
    alice = unique("alice")
    await report(shop[1], an_event(source=shop[0].sources[0], subject=alice))
    strongest = await a_partner(
        app.state.runtime.resources.sessions, name=shop[0].name, scopes=(*USUAL, "admin")
    )
    method, path = route.split()
    async with client_of(app, strongest.key) as client:
        for subject in (alice, "victim"):
            body = BODIES.get(route)
            if body is not None and body.get("subject") == "alice":
                body = {**body, "subject": subject}
            answer = await client.request(method, path.format(alice=subject), json=body)

            assert answer.status_code == 403, answer.text
            assert answer.json()["type"] == "/problems/person-not-yours"


async def test_a_partner_reads_what_it_reported_about_its_customer_and_no_more(
    shop: Any, other: Any, partner: httpx.AsyncClient
) -> None:
    alice = unique("alice")
    sent = await report(shop[1], an_event(source=shop[0].sources[0], subject=alice))
    await report(other[1], an_event(source=other[0].sources[0], subject=alice))
    await report(partner, an_event(subject=alice))

    listed = (await shop[1].get(f"/v1/people/{alice}/actions")).json()["data"]
    receipt = await shop[1].get(f"/v1/actions/{sent['action_id']}/receipt")
    theirs = await other[1].get(f"/v1/actions/{sent['action_id']}")

    assert [one["action_id"] for one in listed] == [sent["action_id"]]
    assert (receipt.status_code, theirs.status_code) == (200, 404)


async def test_a_partner_hears_of_nobodys_points(app: FastAPI, shop: Any) -> None:
    strongest = await a_partner(
        app.state.runtime.resources.sessions, name=shop[0].name, scopes=(*USUAL, "webhooks:manage")
    )
    async with client_of(app, strongest.key) as client:
        answer = await client.post(
            "/v1/webhook-endpoints",
            json={"url": "https://example.com/hook", "types": ["points.lapsed"]},
        )

    assert answer.json()["type"] == "/problems/person-not-yours"

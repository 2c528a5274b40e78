"""Carbon that another scheme counts leaves the total; what sits in an inventory never enters it."""

import asyncio
from collections.abc import Callable

import httpx
import pytest
from builders import (
    SOURCES,
    USUAL,
    NewSettings,
    SteppedClock,
    a_partner,
    an_event,
    an_order,
    catch_up,
    client_of,
    report,
    running_app,
    unique,
)

from service.reconciliation.reconcile import reconcile
from service.totals.counters import Counters

TO = {"scheme": "beijing-maas", "reference": "2026-Q1-0007"}


async def transfer(client: httpx.AsyncClient, action_id: str, **to: str) -> httpx.Response:
    return await client.post(f"/v1/actions/{action_id}/transfer", json={**TO, **to})


async def test_a_transfer_is_shown_with_the_action(partner: httpx.AsyncClient) -> None:
    action_id = (await report(partner, an_event()))["action_id"]

    answer = await transfer(partner, action_id)

    assert answer.status_code == 201
    assert answer.json()["avoided_mg"] == "794592"
    action = (await partner.get(f"/v1/actions/{action_id}")).json()
    assert action["transfer"]["scheme"] == "beijing-maas"
    receipt = (await partner.get(f"/v1/actions/{action_id}/receipt")).json()
    assert receipt["status"]["transferred_to"] == "beijing-maas"


async def test_a_transfer_can_be_sent_again(partner: httpx.AsyncClient) -> None:
    action_id = (await report(partner, an_event()))["action_id"]
    first = await transfer(partner, action_id)

    again = await transfer(partner, action_id)

    assert (again.status_code, again.json()) == (200, first.json())


async def test_a_transfer_elsewhere_is_a_conflict(partner: httpx.AsyncClient) -> None:
    action_id = (await report(partner, an_event()))["action_id"]
    await transfer(partner, action_id)

    answer = await transfer(partner, action_id, reference="another")

    assert answer.status_code == 409
    assert answer.json()["type"] == "/problems/transfer-conflict"


async def test_what_gave_nothing_cannot_be_transferred(partner: httpx.AsyncClient) -> None:
    action_id = (await report(partner, an_order({"merchant_complied": False})))["action_id"]

    answer = await transfer(partner, action_id)

    assert answer.status_code == 422
    assert answer.json()["type"] == "/problems/action-not-transferable"


async def test_another_partner_cannot_transfer_it(
    partner: httpx.AsyncClient, rival: httpx.AsyncClient
) -> None:
    action_id = (await report(partner, an_event()))["action_id"]

    assert (await transfer(rival, action_id)).status_code == 404


@pytest.mark.parametrize(
    ("attributes", "scope", "overlap"),
    [
        ({}, "3+", "none"),
        ({"scope": "3"}, "3", "s3"),
        ({"inventoryoverlap": "s3_cat7"}, "3", "s3_cat7"),
        ({"inventoryoverlap": "s2", "scope": "3"}, "3", "s2"),
        ({"inventoryoverlap": "merchant_s3"}, "3+", "merchant_s3"),
        ({"inventoryoverlap": "none", "scope": "3+"}, "3+", "none"),
    ],
)
async def test_an_operators_own_inventory_is_scope_3(
    partner: httpx.AsyncClient, attributes: dict[str, str], scope: str, overlap: str
) -> None:
    result = await report(partner, an_event(**attributes))

    action = (await partner.get(f"/v1/actions/{result['action_id']}")).json()
    assert (action["scope"], action["inventory_overlap"]) == (scope, overlap)


@pytest.mark.parametrize(
    "attributes",
    [
        {"inventoryoverlap": "s1", "scope": "3+"},
        {"inventoryoverlap": "none", "scope": "3"},
        {"inventoryoverlap": "s3_cat16"},
        {"inventoryoverlap": "ours"},
    ],
)
async def test_a_contradiction_is_refused(
    partner: httpx.AsyncClient, attributes: dict[str, str]
) -> None:
    answer = await partner.post("/v1/events", json=an_event(**attributes))

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "/inventoryoverlap"


async def test_totals_keep_apart_what_is_counted_elsewhere(new_settings: NewSettings) -> None:
    async with running_app(await new_settings(), SteppedClock()) as app:
        sender = await a_partner(
            app.state.runtime.resources.sessions, sources=SOURCES, scopes=USUAL
        )
        async with client_of(app, sender.key) as client:
            one, two, three = [await report(client, an_event()) for _ in range(3)]
            await report(client, an_event(inventoryoverlap="s3_cat7"))
            await report(client, an_event(evidencelevel="L0"))
            await transfer(client, one["action_id"])
            await asyncio.gather(
                transfer(client, two["action_id"]),
                client.post(f"/v1/actions/{two['action_id']}/reversal", json={"reason": "refund"}),
            )

            await catch_up(app)

            totals = (await client.get("/v1/totals")).json()
            person = an_event()["subject"]
            assert (await client.get(f"/v1/people/{person}")).status_code == 200
        resources = app.state.runtime.resources
        checks = await reconcile(resources.sessions, Counters(resources.valkey, resources.sessions))
    assert (totals["avoided_mg"], totals["actions"]) == (three["avoided_mg"], 1)
    assert {row["why"]: row["avoided_mg"] for row in totals["kept_apart"]} == {
        "operator_inventory": "794592",
        "held": "0",
        "transferred": "794592",
        "self_declared": "794592",
    }
    assert [check for check in checks if not check.holds] == []


async def test_a_person_undoes_only_what_it_reported_itself(
    partner: httpx.AsyncClient, person: Callable[[str], httpx.AsyncClient]
) -> None:
    subject = unique("person")
    reported = await report(partner, an_event(subject=subject))
    async with person(subject) as client:
        own = await report(client, an_event(subject="me", source="app"))
        path = "/v1/actions/{}/reversal"
        refused = await client.post(path.format(reported["action_id"]), json={"reason": "not me"})
        undone = await client.post(path.format(own["action_id"]), json={"reason": "a mistake"})

    assert (refused.status_code, undone.status_code) == (403, 201)
    assert refused.json()["type"] == "/problems/not-reporter"

"""What is recorded reaches whoever asked for it: signed, in order, its own only, none lost."""

import asyncio
import base64
from collections import defaultdict
from collections.abc import AsyncIterator
from datetime import timedelta

import httpx
import jsonschema
import pytest
import standardwebhooks
import svix
from builders import (
    BATCH,
    PERSON_KEY,
    SOURCES,
    NewSettings,
    a_partner,
    client_of,
    report,
    report_all,
    running_app,
    unique,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from fastapi import FastAPI
from webhook_receiver import (
    MANAGER,
    a_ride_now,
    an_endpoint,
    deliveries_of,
    delivering,
    receiving,
    settled,
)

from service.clock import system_clock, uuid7
from service.customers.route import pairwise_of
from service.journal.append import JournalRow, Notice, append
from service.partners.person_key import hasher_under
from service.webhooks.outbound import projector
from service.webhooks.signing import new_secret, verify


@pytest.fixture
async def app(new_settings: NewSettings) -> AsyncIterator[FastAPI]:
    settings = await new_settings(webhook_loopback=True, projection_poll_seconds=0.02)
    async with running_app(settings, system_clock) as running:
        yield running


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    merchant = await a_partner(
        app.state.runtime.resources.sessions, sources=SOURCES, scopes=MANAGER
    )
    async with client_of(app, merchant.key) as client:
        yield client


async def test_each_outcome_is_told_under_its_type_as_its_schema_says(
    app: FastAPI, client: httpx.AsyncClient
) -> None:
    async with receiving() as shop, delivering(app):
        await an_endpoint(client, shop.url, batch_max=1)
        trip = unique("trip")
        credited = a_ride_now(data={"trip_id": trip})
        first = await report(client, credited)
        sent = [
            a_ride_now(data={"trip_id": trip}),
            a_ride_now(data={"distance_km": "4000"}),
            a_ride_now(data={"region": "ZZ"}),
        ]
        results = [first, *await report_all(client, sent)]
        path = f"/v1/actions/{results[0]['action_id']}/reversal"
        assert (await client.post(path, json={"reason": "refund"})).status_code == 201
        await shop.until(5)

    (back,) = [notice for notice in shop.notices if notice["type"] == "action.reversed"]
    actions = {one["data"]["id"]: one for one in shop.notices if one["type"] != back["type"]}
    types = {name: one["type"] for name, one in actions.items()}
    assert results[0]["outcome"] == "credited"
    assert types == {
        r["id"]: "action.credited" if r["outcome"] == "credited" else "action.refused"
        for r in results
    }
    assert back["data"]["id"] == credited["id"]
    assert back["data"]["avoided_mg"] == results[0]["avoided_mg"]
    shared = set(results[0]) - {"duplicate"}
    notice_data = actions[credited["id"]]["data"]
    assert {name: notice_data[name] for name in shared} == {
        name: results[0][name] for name in shared
    }
    schemas = (await client.get("/v1/webhook-types")).json()["data"]
    for message in (got.message for got in shop.got):
        schema = next(one["json_schema"] for one in schemas if one["type"] == message["type"])
        jsonschema.validate(message, schema)


async def test_many_actions_come_in_batches_each_as_it_would_be_alone(
    app: FastAPI, client: httpx.AsyncClient
) -> None:
    async with receiving() as shop, delivering(app):
        await an_endpoint(client, shop.url, batch_max=100)
        results = await report_all(client, [a_ride_now() for _ in range(250)])
        await shop.until_notices(lambda notices: len(notices) == 250)

    assert max(len(got.notices) for got in shop.got) == 100
    assert len(shop.got) <= 5  # two lanes, each with a rest of its own
    assert {one["data"]["action_id"] for one in shop.notices} == {r["action_id"] for r in results}
    schema = (await client.get("/v1/webhook-types/action.batch")).json()["json_schema"]
    for got in shop.got:
        assert got.message["type"] == "action.batch"
        jsonschema.validate(got.message, schema)


@pytest.mark.parametrize("signing", ["hmac", "ed25519"])
async def test_a_delivery_is_signed_as_the_reference_libraries_verify_it(
    app: FastAPI, client: httpx.AsyncClient, signing: str
) -> None:
    async with receiving() as shop, delivering(app):
        endpoint = await an_endpoint(client, shop.url, signing=signing)
        await report(client, a_ride_now())
        (got,) = await shop.until(1)

    ours = verify(
        [endpoint["secret"] or endpoint["public_key"]],
        headers=got.headers, body=got.body, now=system_clock(),
    )  # fmt: skip
    assert ours.id == got.id
    if signing == "hmac":
        for library in (standardwebhooks, svix):
            checker = library.Webhook(endpoint["secret"])
            checker.verify(got.body.decode(), got.headers)
            with pytest.raises(library.WebhookVerificationError):
                checker.verify(got.body.decode() + " ", got.headers)
    else:
        key = Ed25519PublicKey.from_public_bytes(
            base64.b64decode(endpoint["public_key"].removeprefix("whpk_"))
        )
        version, _, signature = got.headers["webhook-signature"].partition(",")
        content = f"{got.id}.{got.headers['webhook-timestamp']}.".encode() + got.body
        assert version == "v1a"
        key.verify(base64.b64decode(signature), content)


async def test_during_a_rotation_both_secrets_verify(
    app: FastAPI, client: httpx.AsyncClient
) -> None:
    async with receiving() as shop, delivering(app):
        endpoint = await an_endpoint(client, shop.url)
        path = f"/v1/webhook-endpoints/{endpoint['endpoint_id']}/rotate"
        rotated = (await client.post(path)).json()
        await report(client, a_ride_now())
        (got,) = await shop.until(1)

    assert rotated["secret"] != endpoint["secret"]
    assert rotated["old_secret_until"]
    for secret in (endpoint["secret"], rotated["secret"]):
        for library in (standardwebhooks, svix):
            library.Webhook(secret).verify(got.body.decode(), got.headers)
    with pytest.raises(svix.WebhookVerificationError):
        svix.Webhook(new_secret()).verify(got.body.decode(), got.headers)


async def test_a_partner_hears_of_its_own_actions_and_of_what_it_asked_for(
    app: FastAPI, client: httpx.AsyncClient
) -> None:
    sessions = app.state.runtime.resources.sessions
    rival = await a_partner(sessions, sources=("rival-metro",), scopes=MANAGER)
    async with (
        client_of(app, rival.key) as other,
        receiving() as mine,
        receiving() as theirs,
        receiving() as few,
        delivering(app),
    ):
        await an_endpoint(client, mine.url, batch_max=1)
        await an_endpoint(other, theirs.url)
        await an_endpoint(client, few.url, types=["action.reversed"])
        await report(client, a_ride_now())
        await report(other, a_ride_now(source="rival-metro"))
        await mine.until(1)
        await theirs.until(1)
        result = await report(client, a_ride_now())
        await client.post(f"/v1/actions/{result['action_id']}/reversal", json={"reason": "x"})
        await few.until(1)
        await mine.until(3)

    assert {one["data"]["source"] for one in mine.notices} == {"metro"}
    assert {one["data"]["source"] for one in theirs.notices} == {"rival-metro"}
    assert [one["type"] for one in few.notices] == ["action.reversed"]


async def test_numbers_of_a_person_follow_the_order_of_the_facts(
    app: FastAPI, client: httpx.AsyncClient
) -> None:
    people = [unique("person") for _ in range(5)]
    recorded: dict[str, list[str]] = defaultdict(list)

    async def ride(person: str) -> None:
        for _ in range(4):
            some = [a_ride_now(person) for _ in range(3)]
            answer = await client.post("/v1/events", json=some, headers=BATCH)
            recorded[person] += [one["id"] for one in answer.json()["results"]]

    async with receiving() as shop, receiving() as second, delivering(app):
        await an_endpoint(client, shop.url, batch_max=4)
        await asyncio.gather(*map(ride, people))
        await shop.until_notices(lambda notices: len(notices) == 60)
        late = await an_endpoint(client, second.url)
        for person in people:
            await report(client, a_ride_now(person))
        await shop.until_notices(lambda notices: len(notices) == 65)
        await second.until_notices(lambda notices: len(notices) == 5)

    numbered: dict[str, dict[int, str]] = defaultdict(dict)
    for notice in shop.notices:
        data = notice["data"]
        numbered[data["person"]][data["sequence"]] = data["id"]
    assert len(numbered) == len(people)
    for found in numbered.values():
        assert sorted(found) == list(range(1, 14))
        order = [found[number] for number in range(1, 13)]
        assert order in recorded.values()
    assert late["endpoint_id"]
    assert {notice["data"]["sequence"] for notice in second.notices} == {1}


async def test_notices_of_other_parts_are_told_to_whoever_they_concern(
    app: FastAPI, client: httpx.AsyncClient
) -> None:
    resources = app.state.runtime.resources
    person = hasher_under(b"k" * 32).person("alice")
    me = await a_partner(resources.sessions, scopes=MANAGER)
    async with client_of(app, me.key) as mine, receiving() as shop, receiving() as other:
        await an_endpoint(mine, shop.url)
        await an_endpoint(client, other.url)
        async with resources.sessions() as session, session.begin():
            notices = (
                Notice("order.placed", me.name, person.id, {"order_id": "o1"}),
                Notice("project.sold_out", None, None, {"project_id": "p1"}),
            )
            await append(
                session,
                JournalRow(person.bucket, uuid7(system_clock()), "order", 0, 0, {}, b"", notices),
            )
        async with delivering(app):
            await shop.until(2)
            await other.until(1)

    named = str(pairwise_of(app.state.runtime.hasher, me.name, person.id))
    assert {one["type"]: one["data"] for one in shop.notices} == {
        "order.placed": {"order_id": "o1", "person": named, "sequence": 1},
        "project.sold_out": {"project_id": "p1"},
    }
    assert [one["type"] for one in other.notices] == ["project.sold_out"]


async def test_no_row_is_marked_while_nobody_listens(
    app: FastAPI, client: httpx.AsyncClient
) -> None:
    marked = "SELECT count(*) FROM journal_pending WHERE projector = 'webhooks'"
    async with app.state.runtime.resources.pool.acquire() as connection:
        await report(client, a_ride_now())
        before = await connection.fetchval(marked)
        await an_endpoint(client, "http://127.0.0.1:9/hooks")
        await report(client, a_ride_now())

        assert before == 0
        assert await connection.fetchval(marked) == 1


async def test_an_event_sent_after_the_answer_is_told_whatever_runs_beside(
    app: FastAPI, client: httpx.AsyncClient
) -> None:
    stop = asyncio.Event()

    async def flood() -> None:
        while not stop.is_set():
            await report_all(client, [a_ride_now() for _ in range(20)])

    async with receiving() as shop, delivering(app):
        floods = [asyncio.create_task(flood()) for _ in range(3)]
        await an_endpoint(client, shop.url)
        results = [await report(client, a_ride_now()) for _ in range(10)]
        stop.set()
        await asyncio.gather(*floods)
        sent = {result["action_id"] for result in results}
        await shop.until_notices(
            lambda notices: sent <= {one["data"]["action_id"] for one in notices}
        )

    action_ids = [one["data"]["action_id"] for one in shop.notices]
    assert len(action_ids) == len(set(action_ids))


async def test_a_projector_that_dies_before_its_commit_loses_and_doubles_nothing(
    app: FastAPI, client: httpx.AsyncClient
) -> None:
    endpoint = await an_endpoint(client, "http://127.0.0.1:9/hooks", batch_max=1)
    await report(client, a_ride_now())
    sessions = app.state.runtime.resources.sessions

    class Died(RuntimeError):
        pass

    async def step(*, die: bool) -> int:
        async with sessions() as session, session.begin():
            count = await projector.apply_notices(
                session,
                hasher_under(bytes.fromhex(PERSON_KEY)),
                now=system_clock(),
                kept=timedelta(days=30),
            )
            if die:
                raise Died
            return count

    with pytest.raises(Died):
        await step(die=True)
    assert await deliveries_of(client, endpoint) == []
    assert await step(die=False) == 1
    assert await step(die=False) == 0

    (delivery,) = await deliveries_of(client, endpoint)
    assert delivery["state"] == "waiting"


async def test_two_workers_send_each_delivery_once(app: FastAPI, client: httpx.AsyncClient) -> None:
    async with receiving() as shop, delivering(app), delivering(app):
        endpoint = await an_endpoint(client, shop.url, batch_max=1)
        await report_all(client, [a_ride_now() for _ in range(100)])
        await settled(
            client, endpoint,
            lambda found: len(found) == 50 and all(one["state"] == "delivered" for one in found),
        )  # fmt: skip
        await shop.until(100)

    assert len({got.id for got in shop.got}) == len(shop.got) == 100

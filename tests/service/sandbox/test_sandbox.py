"""Test keys: the same behaviour in a world of its own, wiped whenever its partner likes."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import asyncpg
import httpx
import pytest
from builders import (
    NOW,
    USUAL,
    NewSettings,
    SteppedClock,
    an_event,
    as_operator,
    catch_up,
    client_of,
    database_named,
    report,
    unique,
)
from builders import running_app as run_app
from fastapi import FastAPI
from sqlalchemy.exc import DBAPIError

from service.app import create_app
from service.forest.catalogue import copy_catalogue
from service.partners import register as use
from service.partners.caller import PROGRAMME
from service.sandbox.opening import Sandbox
from service.webhooks.signing import signed_headers


@dataclass
class Both:
    """One partner with a client for each of its two keys."""

    name: str
    source: str
    live: httpx.AsyncClient
    test: httpx.AsyncClient

    def event(self, **changes: Any) -> dict[str, Any]:
        return an_event(source=self.source, **changes)


NewBoth = Callable[[], Awaitable[Both]]


@pytest.fixture
async def new_both(app: FastAPI) -> AsyncIterator[NewBoth]:
    clients = []

    async def make() -> Both:
        name, source = unique("partner"), unique("source")
        async with as_operator(app.state.runtime.registry) as session:
            made = await use.register(
                session,
                name,
                name=name,
                sources=(source,),
                scopes=(*USUAL, "webhooks:manage", "admin"),
                people=PROGRAMME,
                app_source="app",
                now=NOW,
            )
        both = Both(name, source, client_of(app, made.live.text), client_of(app, made.test.text))
        clients.extend((both.live, both.test))
        return both

    yield make
    for client in clients:
        await client.aclose()


async def totals(client: httpx.AsyncClient) -> dict[str, Any]:
    answer = await client.get("/v1/totals")
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_a_test_event_has_the_answer_of_a_live_one(new_both: NewBoth) -> None:
    both = await new_both()
    event = both.event()

    test = await report(both.test, event)
    live = await report(both.live, event)  # the same ride: the sandbox's claim is not in its way

    same = set(live) - {"action_id"}
    assert {name: test[name] for name in same} == {name: live[name] for name in same}
    assert (live["outcome"], live["duplicate"]) == ("credited", False)


async def test_test_data_is_in_no_public_total(app: FastAPI, new_both: NewBoth) -> None:
    both = await new_both()
    await catch_up(app)
    async with client_of(app) as public:
        before = await totals(public)

        await report(both.test, both.event())
        await catch_up(app)
        after = await totals(public)

    ignored = {"as_of", "goal"}
    assert {k: v for k, v in before.items() if k not in ignored} == {
        k: v for k, v in after.items() if k not in ignored
    }
    seen = await totals(both.test)
    assert (seen["avoided_mg"], seen["actions"], seen["people"]) == ("794592", 1, 1)


async def test_the_two_worlds_do_not_see_each_other(new_both: NewBoth) -> None:
    both = await new_both()
    subject = unique("person")
    test = await report(both.test, both.event(subject=subject))
    live = await report(both.live, both.event(subject=subject))

    for client, own, other in ((both.test, test, live), (both.live, live, test)):
        statement = (await client.get(f"/v1/people/{subject}")).json()
        assert statement["carbon"]["actions"] == 1
        assert (await client.get(f"/v1/actions/{own['action_id']}")).status_code == 200
        assert (await client.get(f"/v1/actions/{other['action_id']}")).status_code == 404
        refused = await client.post(
            f"/v1/actions/{other['action_id']}/reversal", json={"reason": "x"}
        )
        assert refused.status_code == 404


async def test_partners_do_not_meet_in_the_sandbox(new_both: NewBoth) -> None:
    one, other = await new_both(), await new_both()
    subject = unique("person")
    ride = {"trip_id": unique("trip")}
    first = await report(one.test, one.event(subject=subject, data=None))
    await report(one.test, an_event(ride, source=one.source, subject=subject))

    second = await report(other.test, an_event(ride, source=other.source, subject=subject))
    statement = (await other.test.get(f"/v1/people/{subject}")).json()

    assert second["outcome"] == "credited"  # in the live world the ride would be claimed already
    assert statement["carbon"]["actions"] == 1
    assert (await other.test.get(f"/v1/actions/{first['action_id']}")).status_code == 404
    assert (await totals(other.test))["actions"] == 1
    assert (await totals(one.test))["actions"] == 2


async def test_wiping_starts_anew_and_touches_nobody_else(app: FastAPI, new_both: NewBoth) -> None:
    one, other = await new_both(), await new_both()
    subject = unique("person")
    event = one.event(subject=subject)
    first = await report(one.test, event)
    await report(one.live, one.event())
    await report(other.test, other.event())

    wiped = await one.test.delete("/v1/test-data")
    empty = await totals(one.test)
    statement = (await one.test.get(f"/v1/people/{subject}")).json()
    again = await report(one.test, event)

    assert (wiped.status_code, wiped.json()) == (200, {"actions": 1})
    assert (empty["avoided_mg"], empty["actions"], empty["people"]) == ("0", 0, 0)
    assert statement["carbon"]["actions"] == statement["points"]["issued"] == 0
    assert (again["outcome"], again["duplicate"]) == ("credited", False)
    assert again["action_id"] != first["action_id"]
    assert (await totals(other.test))["actions"] == 1
    async with app.state.runtime.resources.pool.acquire() as connection:
        assert await rows_of(connection, "sandbox", f"{one.name}#0") == 0
        assert await rows_of(connection, "public", one.name) == 1


async def rows_of(connection: asyncpg.Connection, schema: str, partner: str) -> int:
    query = f"SELECT count(*) FROM {schema}.action WHERE partner = $1"
    found: int = await connection.fetchval(query, partner)
    return found


async def test_wiping_leaves_no_row_about_its_people(app: FastAPI, new_both: NewBoth) -> None:
    both = await new_both()
    subject = unique("person")
    recorded = await report(both.test, both.event(subject=subject))
    await both.test.post(f"/v1/people/{subject}/collect")
    await both.test.post(f"/v1/actions/{recorded['action_id']}/reversal", json={"reason": "x"})
    query = """
        SELECT table_name FROM information_schema.columns
        WHERE table_schema = 'sandbox' AND column_name = 'person_id'
    """
    async with app.state.runtime.resources.pool.acquire() as connection:
        person = await connection.fetchval(
            "SELECT person_id FROM sandbox.action WHERE action_id = $1::uuid", recorded["action_id"]
        )
        await both.test.delete("/v1/test-data")

        for (table,) in await connection.fetch(query):
            count = await connection.fetchval(
                f"SELECT count(*) FROM sandbox.{table} WHERE person_id = $1", person
            )
            assert count == 0, table


async def test_live_data_cannot_be_wiped(new_both: NewBoth) -> None:
    both = await new_both()
    await report(both.live, both.event())

    answer = await both.live.delete("/v1/test-data")

    assert (answer.status_code, answer.json()["type"]) == (403, "/problems/test-key-needed")


def an_order_message(secret: str) -> tuple[bytes, dict[str, str]]:
    """The body and headers of a merchant's signed message."""
    order = {
        "id": unique("order"), "status": "delivered", "cutlery_sets": 0, "guests": 1,
        "delivered_at": "2026-06-15T11:38:51+08:00", "customer": {"id": "a"},
        "restaurant": {"country": "CN"},
    }  # fmt: skip
    content = json.dumps({"order": order}).encode()
    return content, signed_headers([secret], message_id="m", timestamp=NOW, body=content)


async def test_a_message_that_was_wiped_may_come_again(app: FastAPI, new_both: NewBoth) -> None:
    both = await new_both()
    body = {"template": "food-order", "source": both.source}
    made = (await both.test.post("/v1/connectors", json=body)).json()
    content, headers = an_order_message(made["secret"])
    async with client_of(app) as merchant:
        await merchant.post(made["path"], content=content, headers=headers)
        assert await messages_and_pointers(app, made["connector_id"], both.source) == (1, 1)

        await both.test.delete("/v1/test-data")
        assert await messages_and_pointers(app, made["connector_id"], both.source) == (0, 0)
        again = await merchant.post(made["path"], content=content, headers=headers)

    assert again.json()["counts"] == {"credited": 1}, again.text
    assert "idempotent-replayed" not in again.headers


async def messages_and_pointers(app: FastAPI, connector: str, source: str) -> tuple[int, int]:
    """What the sandbox keeps of a connector's messages, and of which action an event became."""
    async with app.state.runtime.resources.pool.acquire() as connection:
        return (
            await connection.fetchval(
                "SELECT count(*) FROM sandbox.hook_delivery WHERE connector_id = $1", connector
            ),
            await connection.fetchval(
                "SELECT count(*) FROM sandbox.hook_event WHERE source = $1", source
            ),
        )


async def test_a_test_connector_records_test_events(app: FastAPI, new_both: NewBoth) -> None:
    both = await new_both()
    body = {"template": "food-order", "source": both.source}
    made = (await both.test.post("/v1/connectors", json=body)).json()
    content, headers = an_order_message(made["secret"])

    async with client_of(app) as merchant:
        answer = await merchant.post(made["path"], content=content, headers=headers)

    assert answer.json()["counts"] == {"credited": 1}, answer.text
    assert (await totals(both.test))["actions"] == 1
    assert (await both.live.get("/v1/people/a")).json()["carbon"]["actions"] == 0
    assert (await both.live.get(f"/v1/connectors/{made['connector_id']}")).status_code == 404


async def test_a_test_key_is_never_an_operator(new_both: NewBoth) -> None:
    both = await new_both()

    assert "admin" in (await both.live.get("/v1/partner")).json()["scopes"]
    assert "admin" not in (await both.test.get("/v1/partner")).json()["scopes"]
    assert (await both.test.get("/v1/partners")).status_code == 403


async def test_a_test_key_opens_nothing_where_the_worlds_are_not_told_apart(
    app: FastAPI, new_both: NewBoth
) -> None:
    both = await new_both()
    transport = httpx.ASGITransport(app)  # the live application itself, without its fast path
    headers = {"Authorization": both.test.headers["authorization"]}

    async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
        answer = await client.get("/v1/partner", headers=headers)

    assert (answer.status_code, answer.json()["type"]) == (401, "/problems/key-invalid")


async def test_what_is_on_offer_is_on_offer_in_the_sandbox(app: FastAPI, new_both: NewBoth) -> None:
    both = await new_both()

    live = (await both.live.get("/v1/projects")).json()["data"]
    test = (await both.test.get("/v1/projects")).json()["data"]

    assert {one["project_id"] for one in test} <= {one["project_id"] for one in live}


async def test_series_and_past_totals_are_the_partners_own(new_both: NewBoth) -> None:
    one, other = await new_both(), await new_both()
    await report(one.test, one.event())
    await report(other.test, other.event())

    series = (await one.test.get("/v1/totals/series?by=year&as_of=2099-01-01T00:00:00Z")).json()
    past = (await one.test.get("/v1/totals?as_of=2099-01-01T00:00:00Z")).json()

    assert [row["actions"] for row in series["data"]] == [1]
    assert (past["actions"], past["people"]) == (1, 1)


async def test_the_sandbox_opens_after_an_outage_and_once(
    new_settings: NewSettings,
) -> None:
    settings, away = await new_settings(), True
    async with run_app(settings, SteppedClock()) as app:
        made = []

        def make() -> FastAPI:
            url = database_named(settings.database_url, "none") if away else settings.database_url
            there = settings.model_copy(update={"database_url": url})
            made.append(create_app(there, SteppedClock(), live=app))
            return made[-1]

        sandbox = Sandbox(app, make, partial(copy_catalogue, now=SteppedClock()()))
        with pytest.raises((asyncpg.PostgresError, DBAPIError)):
            await sandbox.app()
        away = False
        opened = await asyncio.gather(*(sandbox.app() for _ in range(5)))
        await sandbox.close()

    assert opened == [made[1]] * 5


async def test_a_bad_test_key_sees_no_totals(app: FastAPI) -> None:
    async with client_of(app, "sx_test_0_0") as client:
        for path in ("/v1/totals", "/v1/totals/series", "/v1/totals/stream"):
            assert (await client.get(path)).status_code == 401

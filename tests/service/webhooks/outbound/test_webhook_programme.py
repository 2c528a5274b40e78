"""What other parts tell reaches an endpoint, as the type's schema says: no more and no less."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import pytest
from builders import (
    NOW,
    SOURCES,
    NewSettings,
    SteppedClock,
    a_bike_ride,
    a_partner,
    a_ride,
    as_operator,
    client_of,
    report,
    running_app,
    unique,
)
from fastapi import FastAPI
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker
from webhook_receiver import (
    MANAGER,
    a_ride_now,
    an_endpoint,
    deliveries_of,
    delivering,
    receiving,
)

from service.clock import CLOCK_FILE, LOOK_AGAIN_S, MovedClock
from service.embedded.clock import move_clock, prepare_clock
from service.forest.catalogue import add_project, add_species
from service.forest.tables import Project, Species
from service.partners import register as use
from service.partners.caller import PROGRAMME
from service.resources import SANDBOX, Resources, open_resources
from service.webhooks.outbound.types import EVENT_TYPES, MESSAGES, schema_of
from workers.lapse import lapse_points


@pytest.fixture
def moving() -> SteppedClock:
    return SteppedClock()


@pytest.fixture
async def app(new_settings: NewSettings, moving: SteppedClock) -> AsyncIterator[FastAPI]:
    settings = await new_settings(webhook_loopback=True, projection_poll_seconds=0.02)
    async with running_app(settings, moving) as running:
        yield running


async def a_grove(sessions: async_sessionmaker[AsyncSession], *, stock: int) -> str:
    """A project whose trees cost 100 points."""
    name = unique("grove")
    async with as_operator(sessions) as session:
        names = dict.fromkeys(("species", "scientific_name", "local_name", "english_name"), name)
        kind = Species(**names, price_points=100, price_source="its own")
        await add_species(session, kind, now=NOW)
        grove = Project(
            project=name, name=name, place=name, species=name, region="CN-NM",
            planting_partner="A", stock=stock, price_points=100, opens_on=NOW.date(),
            closes_on=NOW.date() + timedelta(days=365),
        )  # fmt: skip
        await add_project(session, grove, now=NOW)
    return name


async def post(client: httpx.AsyncClient, path: str, **body: Any) -> dict[str, Any]:
    headers = {"Idempotency-Key": unique("key")}
    answer = await client.post(f"/v1/{path}", json=body, headers=headers)
    assert answer.is_success, answer.text
    return answer.json()


def exact(schema: Any) -> Any:
    """The schema, with nothing allowed beyond what it names."""
    if isinstance(schema, list):
        return [exact(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {name: exact(one) for name, one in schema.items()}
    return {**closed, "additionalProperties": False} if "properties" in schema else closed


def assert_as_declared(notices: list[dict[str, Any]]) -> None:
    for message in notices:
        jsonschema.validate(message, exact(schema_of(message["type"])))


@pytest.mark.parametrize("name", MESSAGES)
def test_every_type_says_what_is_in_it(name: str) -> None:
    data = exact(schema_of(name))["properties"]["data"]

    assert data
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(
            {"type": name, "timestamp": "2026-11-22T00:03:12+00:00", "data": {}},
            exact(schema_of(name)),
        )


async def test_trees_reversals_and_lapses_are_told(app: FastAPI, moving: SteppedClock) -> None:
    sessions = app.state.runtime.resources.sessions
    merchant = await a_partner(sessions, sources=SOURCES, scopes=MANAGER)
    grove, subject = await a_grove(sessions, stock=2), unique("person")
    async with client_of(app, merchant.key) as client, receiving() as shop, delivering(app):
        await an_endpoint(client, shop.url, batch_max=1)
        await report(client, a_ride(subject=subject))
        undone = await report(client, a_bike_ride(subject=subject))
        await post(client, f"actions/{undone['action_id']}/reversal", reason="refund")
        moving.advance(hours=20)
        await client.post(f"/v1/people/{subject}/collect")
        tree = {"project_id": grove, "subject": subject}
        order = await post(client, "orders", **tree)
        pool = await post(client, "pools", name="Ours", **tree)
        path = f"pools/{pool['pool_id']}/contributions"
        await post(client, path, subject=subject, points=100)
        await post(client, f"orders/{order['order_id']}/refund")
        forgetful = await report(client, a_ride(time=moving.now.isoformat()))
        moving.advance(days=30)
        lapsed = await lapse_points({"resources": app.state.runtime.resources})
        wanted = {*EVENT_TYPES} - {"action.capped", "action.refused"}
        await shop.until_notices(
            lambda notices: (
                {one["type"] for one in notices} >= wanted
                and len({one["data"].get("serial") for one in notices}) == 3
            )  # one has none
        )

    # The clock jumps while messages are on their way, so one may come twice.
    notices = list({json.dumps(one): one for one in shop.notices}.values())
    by_type = {name: [t["data"] for t in notices if t["type"] == name] for name in EVENT_TYPES}
    assert_as_declared(notices)
    (placed,), (soldout,) = by_type["order.placed"], by_type["project.sold_out"]
    assert (placed["order_id"], placed["serial"]) == (order["order_id"], order["serial"])
    certificates = {one["serial"]: one for one in by_type["certificate.issued"]}
    of_order = certificates.pop(order["serial"])
    (of_pool,) = certificates.values()
    assert of_order["person"] == placed["person"]
    assert (of_pool["pool_id"], "person" in of_pool) == (pool["pool_id"], False)
    assert soldout["project_id"] == grove
    (refunded,) = by_type["order.refunded"]
    assert (refunded["order_id"], refunded["points"]) == (order["order_id"], order["points"])
    assert (refunded["serial"], refunded["person"]) == (order["serial"], placed["person"])
    (back,), (late,) = by_type["action.reversed"], by_type["points.lapsed"]
    assert back["action_id"] == undone["action_id"]
    assert lapsed == late["points"] == forgetful["points"] == late["earnings"][0]["points"]
    numbers = [t["data"]["sequence"] for t in notices if t["data"].get("person") == back["person"]]
    assert sorted(numbers) == list(range(1, len(numbers) + 1))


async def test_a_partner_hears_of_lapsed_points_that_its_own_reports_added_to(
    app: FastAPI, moving: SteppedClock
) -> None:
    sessions, subject = app.state.runtime.resources.sessions, unique("person")
    rail = await a_partner(sessions, sources=("metro",), scopes=MANAGER)
    bikes = await a_partner(sessions, sources=("bike",), scopes=MANAGER)
    stranger = await a_partner(sessions, sources=("mall",), scopes=MANAGER)
    async with (
        client_of(app, rail.key) as railway,
        client_of(app, bikes.key) as cyclists,
        client_of(app, stranger.key) as nobody,
        receiving() as rail_shop,
        receiving() as bike_shop,
        receiving() as quiet,
        delivering(app),
    ):
        for client, shop in ((railway, rail_shop), (cyclists, bike_shop)):
            await an_endpoint(client, shop.url, types=["points.lapsed"])
        unheard = await an_endpoint(nobody, quiet.url, types=["points.lapsed"])
        by_rail = await report(railway, a_ride(subject=subject))
        by_bike = await report(cyclists, a_bike_ride(subject=subject))
        moving.advance(days=30)
        await lapse_points({"resources": app.state.runtime.resources})
        (rail_notice,), (bike_notice,) = await rail_shop.until(1), await bike_shop.until(1)

        assert await deliveries_of(nobody, unheard) == []
    for got, result in ((rail_notice, by_rail), (bike_notice, by_bike)):
        data = got.message["data"]
        assert data["points"] == result["points"]
        assert [one["points"] for one in data["earnings"]] == [result["points"]]
    assert_as_declared([rail_notice.message, bike_notice.message])


async def test_points_lapse_when_the_clock_of_a_demo_is_moved(
    new_settings: NewSettings, tmp_path: Path
) -> None:
    settings = await new_settings(webhook_loopback=True, projection_poll_seconds=0.02)
    prepare_clock(tmp_path, str(settings.database_url))
    async with running_app(settings, MovedClock(tmp_path / CLOCK_FILE)) as app, receiving() as shop:
        merchant = await a_partner(
            app.state.runtime.resources.sessions, sources=SOURCES, scopes=MANAGER
        )
        async with client_of(app, merchant.key) as client, delivering(app):
            await an_endpoint(client, shop.url, types=["points.lapsed"])
            result = await report(client, a_ride_now())
            early = await lapse_points({"resources": app.state.runtime.resources})
            move_clock(tmp_path, "+30d")
            await asyncio.sleep(LOOK_AGAIN_S)
            late = await lapse_points({"resources": app.state.runtime.resources})
            again = await lapse_points({"resources": app.state.runtime.resources})
            (got,) = await shop.until(1)

    assert (early, late, again) == (0, result["points"], 0)
    assert got.message["data"]["points"] == result["points"]
    assert_as_declared([got.message])


async def test_the_sandbox_tells_of_test_data_only_and_a_wipe_ends_it(app: FastAPI) -> None:
    live_sessions = app.state.runtime.resources.sessions
    grove, name, subject = (
        await a_grove(live_sessions, stock=5),
        unique("partner"),
        unique("person"),
    )
    async with as_operator(app.state.runtime.registry) as session:
        made = await use.register(
            session,
            name,
            name=name,
            sources=SOURCES,
            scopes=MANAGER,
            people=PROGRAMME,
            app_source="app",
            now=NOW,
        )
    settings, clock = app.state.runtime.resources.settings, app.state.runtime.resources.clock
    async with (
        client_of(app, made.live.text) as live,
        client_of(app, made.test.text) as test,
        receiving() as live_shop,
        receiving() as test_shop,
        open_resources(settings, clock, schema=SANDBOX) as sandbox,
    ):
        await an_endpoint(live, live_shop.url, batch_max=1)
        endpoint = await an_endpoint(test, test_shop.url, batch_max=1)
        async with delivering(app), delivering(app, sandbox):
            kept = await report(live, a_ride(subject=subject))
            tried = await report(test, a_ride(subject=subject))
            clock.advance(hours=20)
            collected = await test.post(f"/v1/people/{subject}/collect")
            tree = {"project_id": grove, "subject": subject}
            order = await post(test, "orders", **tree)
            pool = await post(test, "pools", name="Ours", display_name=subject, **tree)
            path = f"pools/{pool['pool_id']}/contributions"
            await post(test, path, subject=subject, points=60)
            wanted = {"action.credited", "order.placed", "certificate.issued"}
            await test_shop.until_notices(
                lambda notices: {one["type"] for one in notices} >= wanted
            )
            await live_shop.until(1)
        people = await found(sandbox, "SELECT DISTINCT person_id::text FROM action")
        wiped = await test.delete("/v1/test-data")
        names = (*people, subject, order["order_id"], order["serial"])
        needles = [f"%{one}%" for name in names for one in (name, name.encode().hex())]
        rest = [
            (table, column)
            for table, column in await sandbox.pool.fetch(COLUMNS)
            if await found(
                sandbox,
                f'SELECT 1 FROM "{table}" AS one WHERE one.{column}::text LIKE ANY ($1)',
                needles,
            )
        ]
        stock = (await test.get(f"/v1/projects/{grove}")).json()["stock_left"]
        live_stock = (await live.get(f"/v1/projects/{grove}")).json()["stock_left"]
        shown = await test.get(f"/v1/webhook-endpoints/{endpoint['endpoint_id']}")
        still = (await live.get(f"/v1/actions/{kept['action_id']}")).status_code

    assert collected.status_code == 200, collected.text
    # The clock jumps while messages are on their way, so one may come twice.
    assert {t["data"]["action_id"] for t in live_shop.notices} == {kept["action_id"]}
    assert {t["type"] for t in test_shop.notices} == wanted
    credited = {t["data"]["action_id"] for t in test_shop.notices if "action_id" in t["data"]}
    assert credited == {tried["action_id"]}
    assert_as_declared([*live_shop.notices, *test_shop.notices])
    assert wiped.status_code == 200, wiped.text
    assert rest == []
    assert shown.status_code == 200, shown.text
    assert (stock, live_stock, still) == (5, 5, 200)


COLUMNS = """
    SELECT columns.table_name, column_name FROM information_schema.columns
    JOIN information_schema.tables USING (table_schema, table_name)
    WHERE table_schema = 'sandbox' AND table_type = 'BASE TABLE'
"""


async def found(resources: Resources, query: str, *given: object) -> list[Any]:
    return [row[0] for row in await resources.pool.fetch(query, *given)]

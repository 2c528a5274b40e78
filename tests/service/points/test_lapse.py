"""Points that nobody collected lapse once, with a notice, whoever looks and whatever happens."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import httpx
import pytest
from builders import (
    SOURCES,
    NewSettings,
    SteppedClock,
    a_box,
    a_partner,
    an_event,
    catch_up,
    client_of,
    report,
    running_app,
    unique,
)
from fastapi import FastAPI
from sqlalchemy import text

from service.points.lapse import FIRST, lapse_chunk
from service.reconciliation.reconcile import reconcile
from service.totals.counters import Counters
from workers.lapse import lapse_points

NOTICES = text("SELECT bucket, kind, notices FROM journal WHERE kind = 'lapse'")


@pytest.fixture
async def app(new_settings: NewSettings) -> AsyncIterator[FastAPI]:
    async with running_app(await new_settings(), SteppedClock()) as running:
        yield running


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    sender = await a_partner(app.state.runtime.resources.sessions, sources=SOURCES)
    async with client_of(app, sender.key) as client:
        yield client


async def notices_of(app: FastAPI) -> list[dict]:
    async with app.state.runtime.resources.sessions() as session:
        rows = (await session.execute(NOTICES)).all()
    assert len({row.bucket for row in rows}) == len(rows) or len(rows) > 0
    return [notice for row in rows for notice in row.notices]


async def broken_rules(app: FastAPI) -> list[object]:
    await catch_up(app)
    resources = app.state.runtime.resources
    counters = Counters(resources.valkey, resources.sessions)
    return [one for one in await reconcile(resources.sessions, counters) if not one.holds]


async def people_with_rides(client: httpx.AsyncClient, count: int) -> list[str]:
    people = [unique("person") for _ in range(count)]
    for subject in people:
        await report(client, an_event(subject=subject))
        await report(client, a_box(subject=subject))
    return people


async def test_points_lapse_once_and_everybody_is_told(
    app: FastAPI, client: httpx.AsyncClient
) -> None:
    people = await people_with_rides(client, 3)
    clock = app.state.runtime.resources.clock
    clock.advance(hours=20)
    await client.post(f"/v1/people/{people[0]}/collect")
    clock.advance(days=4)
    assert await broken_rules(app) == [], "lapses that nobody marked yet"

    first = await lapse_points({"resources": app.state.runtime.resources})
    second = await lapse_points({"resources": app.state.runtime.resources})

    assert (first, second) == (2 * 824, 0)
    notices = await notices_of(app)
    assert [one["data"]["points"] for one in notices] == [824, 824]
    assert {one["type"] for one in notices} == {"points.lapsed"}
    assert len({one["person_id"] for one in notices}) == 2
    assert {e["activity"] for one in notices for e in one["data"]["earnings"]} == {
        "transit.metro", "pack.box_reuse",
    }  # fmt: skip
    shown = (await client.get(f"/v1/people/{people[1]}")).json()["points"]
    assert (shown["lapsed"], shown["collectable"]) == (824, 0)
    assert await broken_rules(app) == []


async def test_nothing_lapses_a_moment_too_early(app: FastAPI, client: httpx.AsyncClient) -> None:
    subject = unique("person")
    told = await report(client, an_event(subject=subject))
    clock = app.state.runtime.resources.clock
    lapses_at = clock.now.fromisoformat(told["ripens_at"]) + timedelta(hours=72)

    clock.now = lapses_at - timedelta(milliseconds=1)
    assert await lapse_points({"resources": app.state.runtime.resources}) == 0
    clock.now = lapses_at
    assert await lapse_points({"resources": app.state.runtime.resources}) == 794


async def test_many_workers_and_collectors_at_once(app: FastAPI, client: httpx.AsyncClient) -> None:
    """Collecting has one moment left: each earning is collected or lapsed, and never both."""
    people = await people_with_rides(client, 12)
    resources = app.state.runtime.resources
    clock = resources.clock
    clock.now = clock.now.replace(hour=23, minute=0) + timedelta(hours=71)

    async def collect(subject: str) -> int:
        return (await client.post(f"/v1/people/{subject}/collect")).json()["points"]

    async def lapse() -> int:
        """A worker whose clock is a little ahead."""
        points, after = 0, FIRST
        while True:
            async with resources.sessions() as session, session.begin():
                chunk = await lapse_chunk(
                    session, now=clock.now + timedelta(hours=2), after=after, limit=4
                )
            points += chunk.points
            if chunk.last is None:
                return points
            after = chunk.last

    collected, *lapsed = await asyncio.gather(
        asyncio.gather(*(collect(subject) for subject in people)), *(lapse() for _ in range(3))
    )
    clock.advance(hours=2)
    rest = await lapse_points({"resources": resources})

    assert sum(collected) + sum(lapsed) + rest == 12 * 824
    assert sum(one["data"]["points"] for one in await notices_of(app)) == sum(lapsed) + rest
    assert await broken_rules(app) == []


async def test_a_chunk_that_dies_leaves_nothing_behind(
    app: FastAPI, client: httpx.AsyncClient
) -> None:
    await people_with_rides(client, 2)
    resources = app.state.runtime.resources
    resources.clock.advance(days=9)

    async with resources.sessions() as session:
        assert (await lapse_chunk(session, now=resources.clock())).points == 2 * 824
        connection = await (await session.connection()).get_raw_connection()
        connection.driver_connection.terminate()  # as a kill -9 of the worker looks from there
        await session.invalidate()

    assert await notices_of(app) == []
    assert await lapse_points({"resources": resources}) == 2 * 824
    assert len(await notices_of(app)) == 2


async def test_points_that_come_after_a_lapse_are_points_of_their_own(
    app: FastAPI, client: httpx.AsyncClient
) -> None:
    """A late event of a day whose points lapsed: undoing the old action leaves the new points."""
    subject, clock = unique("person"), app.state.runtime.resources.clock
    old = await report(client, an_event(subject=subject))
    clock.advance(days=5)
    await report(client, an_event(subject=subject))

    undone = await client.post(
        f"/v1/actions/{old['action_id']}/reversal", json={"reason": "refund"}
    )

    assert undone.json()["points"] == 0, "what lapsed is gone already"
    clock.advance(days=1)
    assert (await client.post(f"/v1/people/{subject}/collect")).json()["points"] == 794
    rows = (await client.get(f"/v1/people/{subject}/earnings?limit=1")).json()
    assert rows["data"][0]["collected"] == 794
    more = await client.get(
        f"/v1/people/{subject}/earnings", params={"cursor": rows["next_cursor"]}
    )
    assert [one["lapsed"] for one in more.json()["data"]] == [794]
    assert await lapse_points({"resources": app.state.runtime.resources}) == 794
    assert await broken_rules(app) == []

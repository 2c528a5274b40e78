"""The public totals: what is in them, what is not, as of when; live and while Valkey is away."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime

import httpx
import pytest
from builders import (
    SOURCES,
    NewSettings,
    SteppedClock,
    a_bike_ride,
    a_box,
    a_partner,
    an_event,
    an_invoice,
    an_order,
    catch_up,
    client_of,
    report,
    report_all,
    running_app,
    unique,
)
from fastapi import FastAPI

from service.settings import GOAL_MG
from service.totals import store
from service.totals.counters import Counters


@dataclass
class World:
    """A programme of its own."""

    app: FastAPI
    client: httpx.AsyncClient

    async def totals(self, as_of: str | None = None) -> dict:
        answer = await self.client.get("/v1/totals", params={"as_of": as_of} if as_of else {})
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def series(self, **params: str) -> list[tuple[str, str, int]]:
        answer = await self.client.get("/v1/totals/series", params=params)
        assert answer.status_code == 200, answer.text
        return [(p["period"], p["avoided_mg"], p["actions"]) for p in answer.json()["data"]]

    async def database_time(self) -> str:
        async with self.app.state.runtime.resources.pool.acquire() as connection:
            found: datetime = await connection.fetchval("SELECT clock_timestamp()")
        return found.isoformat()


@pytest.fixture
async def world(new_settings: NewSettings) -> AsyncIterator[World]:
    async with running_app(await new_settings(), SteppedClock()) as app:
        sender = await a_partner(
            app.state.runtime.resources.sessions,
            sources=SOURCES,
            scopes=("events:write", "events:backfill", "actions:read", "people:act"),
        )
        async with client_of(app, sender.key) as client:
            yield World(app, client)


async def test_an_empty_programme_has_honest_zeros(world: World) -> None:
    totals = await world.totals()

    assert (totals["avoided_mg"], totals["actions"], totals["people"]) == ("0", 0, 0)
    assert totals["by_activity"] == []
    assert totals["goal"]["share"] == "0.000000000000"
    assert totals["goal"]["projected_year"] is None
    assert totals["uncertainty"]["relative_pct"] is None


async def test_totals_say_everything_about_what_was_avoided(world: World) -> None:
    subject = unique("person")
    await report_all(
        world.client,
        [
            an_event(subject=subject),
            an_order(subject=subject),
            an_event({"region": "GB"}, time="2025-06-01T10:00:00Z"),
            an_event(evidencelevel="L1"),
        ],
    )
    await catch_up(world.app)

    totals = await world.totals()

    gb = next(one for one in totals["by_region"] if one["region"] == "GB")
    total = 2 * 794592 + 12521 + int(gb["avoided_mg"])
    assert totals["avoided_mg"] == str(total)
    assert (totals["actions"], totals["people"]) == (4, 3)
    for split in ("by_activity", "by_methodology", "by_evidence_level", "by_region"):
        assert sum(int(one["avoided_mg"]) for one in totals[split]) == total
        assert sum(one["actions"] for one in totals[split]) == 4
    assert totals["by_methodology"][1]["methodology"] == "transit.metro@1.0.0"
    assert totals["goal"]["avoided_mg"] == str(total)
    assert totals["goal"]["target_mg"] == str(GOAL_MG)
    assert (totals["goal"]["from"], totals["goal"]["to"]) == ("2021-01-01", "2035-12-31")
    assert "estimated avoided emissions" in totals["text"].lower()
    assert float(totals["uncertainty"]["relative_pct"]) > 0


async def test_what_does_not_count_is_in_no_carbon_total(world: World) -> None:
    invoice, person = unique("invoice"), unique("person")
    results = await report_all(
        world.client,
        [
            an_event(evidencelevel="L0"),
            a_bike_ride(scope="3"),
            an_event({"region": "FR"}),
            an_invoice({"invoice_id": invoice}, subject=person),
            an_invoice({"invoice_id": invoice}, subject=person),
        ],
    )
    assert [one["outcome"] for one in results[2:]] == ["refused", "zero", "already_claimed"]
    await catch_up(world.app)

    totals = await world.totals()

    assert totals["avoided_mg"] == "0"
    assert totals["actions"] == 1
    assert totals["points"] == 794 + 138 + 5
    assert [one["activity"] for one in totals["by_activity"]] == ["paper.einvoice"]
    assert await world.series() == [("2026-06-15", "0", 1)]


async def test_a_reversal_is_taken_off(world: World) -> None:
    kept = await report(world.client, an_order())
    undone = await report(world.client, an_event())
    await catch_up(world.app)
    before = await world.totals()
    moment = await world.database_time()

    await world.client.post(f"/v1/actions/{undone['action_id']}/reversal", json={"reason": "fraud"})
    await catch_up(world.app)
    after = await world.totals()

    assert before["avoided_mg"] == str(794592 + 12521)
    assert (after["avoided_mg"], after["actions"]) == (kept["avoided_mg"], 1)
    assert after["points"] == 12
    known_then, known_now = (
        await world.totals(moment),
        await world.totals(await world.database_time()),
    )
    for name in ("avoided_mg", "actions", "people", "points", "by_activity", "uncertainty"):
        assert known_then[name] == before[name]
        assert known_now[name] == after[name]


async def test_what_was_known_before_anything_is_nothing(world: World) -> None:
    moment = await world.database_time()
    await report(world.client, an_event())

    totals = await world.totals(moment)

    assert (totals["avoided_mg"], totals["people"]) == ("0", 0)


async def test_a_series_by_day_month_and_year(world: World) -> None:
    for time in ("2024-01-31T23:30:00+08:00", "2024-02-01T00:30:00+08:00", "2025-02-01T00:00:00Z"):
        await report(world.client, an_event(time=time))
    await report(world.client, an_order(time="2025-02-01T00:00:00Z"))
    await catch_up(world.app)

    mg, both = "794592", str(794592 + 12521)
    assert await world.series() == [
        ("2024-01-31", mg, 1), ("2024-02-01", mg, 1), ("2025-02-01", both, 2),
    ]  # fmt: skip
    assert await world.series(by="month") == [
        ("2024-01", mg, 1), ("2024-02", mg, 1), ("2025-02", both, 2),
    ]  # fmt: skip
    assert await world.series(by="year") == [("2024", str(2 * 794592), 2), ("2025", both, 2)]
    assert await world.series(by="year", activity="food.no_cutlery") == [("2025", "12521", 1)]
    assert await world.series(by="year", region="GB") == []
    assert len(await world.series(by="year", region="CN")) == 2


async def test_a_series_as_of_a_moment(world: World) -> None:
    await report(world.client, an_event())
    moment = await world.database_time()
    await report(world.client, an_order())
    await catch_up(world.app)

    assert await world.series(as_of=moment) == [("2026-06-15", "794592", 1)]
    assert len(await world.series(as_of=await world.database_time())) == 1


async def test_a_flushed_valkey_is_never_answered_as_zero(world: World) -> None:
    await report(world.client, an_event())
    await catch_up(world.app)
    before = await world.totals()

    await world.app.state.runtime.resources.valkey.flushdb()
    flushed = await world.totals()
    await catch_up(world.app)
    rebuilt = await world.totals()

    assert before["avoided_mg"] == flushed["avoided_mg"] == rebuilt["avoided_mg"] == "794592"
    assert flushed["people"] == 1


async def test_counters_that_come_back_with_less_wait_until_they_know_as_much(
    world: World,
) -> None:
    resources = world.app.state.runtime.resources
    counters, clock = Counters(resources.valkey, resources.sessions), resources.clock
    await report(world.client, an_event())
    await catch_up(world.app)
    async with resources.sessions() as session:
        older, moment = await store.known_sums(session), clock()  # where a rebuild begins
    await resources.valkey.flushdb()
    clock.advance(seconds=1)
    await report(world.client, an_event())
    told = await world.totals()  # from the database, while the rebuild is under way

    await counters.replace(older, moment, [])
    meanwhile = await world.totals()
    clock.advance(seconds=1)
    await catch_up(world.app)
    await report(world.client, an_event())
    await catch_up(world.app)
    after = await world.totals()

    assert [one["actions"] for one in (told, meanwhile, after)] == [2, 2, 3]


async def test_without_the_projectors_the_database_answers(world: World) -> None:
    await report_all(world.client, [an_event(), a_box()])

    totals = await world.totals()

    assert totals["avoided_mg"] == str(794592 + 30340)
    assert totals["people"] == 2


async def test_a_valkey_that_is_away_is_never_answered_as_zero(new_settings: NewSettings) -> None:
    settings = (await new_settings()).model_copy(update={"redis_url": "redis://127.0.0.1:1/0"})

    async with running_app(settings, SteppedClock()) as app:
        sender = await a_partner(app.state.runtime.resources.sessions, sources=SOURCES)
        async with client_of(app, sender.key) as client:
            await report(client, an_event())
            totals = (await client.get("/v1/totals")).json()

    assert totals["avoided_mg"] == "794592"


async def test_the_goals_rates_look_at_the_last_year(world: World) -> None:
    await report_all(
        world.client, [an_event(time="2025-06-15T12:00:00+08:00"), an_event(), an_event()]
    )
    await catch_up(world.app)

    goal = (await world.totals())["goal"]

    assert goal["avoided_mg"] == str(3 * 794592)
    assert goal["run_rate_mg_per_year"] == str(2 * 794592 * 3652425 // 3650000)
    assert int(goal["required_rate_mg_per_year"]) > GOAL_MG // 15


async def test_totals_may_be_kept_for_a_second(world: World) -> None:
    answer = await world.client.get("/v1/totals")

    assert answer.headers["cache-control"] == "public, max-age=1"

"""An implausible mean holds a partner's day: the carbon waits, the people keep their points."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

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
    report_all,
    running_app,
    unique,
)
from fastapi import FastAPI
from sqlalchemy import text

from methodologies.plausible import load_plausible
from service.guards.watch import watch
from service.reconciliation.reconcile import reconcile
from service.totals.counters import Counters
from service.totals.rebuild import rebuild_days

EVER = datetime(2000, 1, 1, tzinfo=UTC)
DAY = "2026-06-15"


@pytest.fixture
async def app(new_settings: NewSettings) -> AsyncIterator[FastAPI]:
    """An application with a database of its own: the totals of everybody are looked at."""
    async with running_app(await new_settings(), SteppedClock()) as running:
        yield running


@pytest.fixture
async def sender(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    made = await a_partner(
        app.state.runtime.resources.sessions, name="acme", sources=SOURCES, scopes=(*USUAL, "admin")
    )
    async with client_of(app, made.key) as client:
        yield client


async def look(app: FastAPI) -> int:
    """One look of the guard, with the journal applied before and after."""
    resources = app.state.runtime.resources
    await catch_up(app)
    async with resources.sessions() as session, session.begin():
        moved = await watch(session, load_plausible(), since=EVER, now=resources.clock())
    await catch_up(app)
    return moved


async def totals_of(app: FastAPI) -> dict[str, int]:
    """Milligrams in the total, and held."""
    async with client_of(app) as client:
        totals = (await client.get("/v1/totals?as_of=2030-01-01T00:00:00Z")).json()
    held = next(row for row in totals["kept_apart"] if row["why"] == "held")
    return {"counted": int(totals["avoided_mg"]), "held": int(held["avoided_mg"])}


async def limited_of(app: FastAPI) -> int:
    """How many actions found no room, as the daily totals know it."""
    await catch_up(app)
    async with app.state.runtime.resources.sessions() as session:
        return int((await session.execute(text("SELECT sum(limited) FROM total_day"))).scalar_one())


async def all_hold(app: FastAPI) -> bool:
    resources = app.state.runtime.resources
    checks = await reconcile(resources.sessions, Counters(resources.valkey, resources.sessions))
    return all(check.holds for check in checks)


def long_rides(count: int = 30):
    """Metro rides of 60 km: 3,844,800 mg each, three times the largest plausible mean."""
    return [an_event({"distance_km": "60"}) for _ in range(count)]


async def test_an_implausible_day_is_held(app: FastAPI, sender: httpx.AsyncClient) -> None:
    results = await report_all(sender, [*long_rides(), an_order()])

    moved = await look(app)

    assert moved == 1
    assert await totals_of(app) == {"counted": 12_521, "held": 30 * 3_844_800}
    assert all(one["points"] == 3_844 for one in results[:30])
    action = (await sender.get(f"/v1/actions/{results[0]['action_id']}")).json()
    assert action["held"] is True
    assert await all_hold(app)


async def test_a_plausible_day_is_counted(app: FastAPI, sender: httpx.AsyncClient) -> None:
    await report_all(sender, [an_event() for _ in range(30)])

    assert await look(app) == 0
    assert (await totals_of(app))["held"] == 0


async def test_a_few_actions_raise_no_alarm(app: FastAPI, sender: httpx.AsyncClient) -> None:
    await report_all(sender, long_rides(29))

    assert await look(app) == 0


def rides_to_the_limit() -> list[dict[str, Any]]:
    """Three people with 30 rides of 192 g each on a day; the sheet credits 12 a person."""
    people = [unique("person") for _ in range(3)]
    return [an_event({"distance_km": "3"}, subject=one) for one in people for _ in range(30)]


async def test_people_who_reach_a_limit_do_not_make_a_day_implausible(
    app: FastAPI, sender: httpx.AsyncClient
) -> None:
    """36 rides of 192 g: with the 54 that find no room the mean were 76 g, below the least."""
    results = await report_all(sender, rides_to_the_limit())

    assert await look(app) == 0
    assert [one["outcome"] for one in results].count("capped") == 54
    assert await totals_of(app) == {"counted": 36 * 192_240, "held": 0}


async def test_a_few_credited_actions_among_many_raise_no_alarm(
    app: FastAPI, sender: httpx.AsyncClient
) -> None:
    subject = unique("person")
    await report_all(sender, [an_event({"distance_km": "60"}, subject=subject) for _ in range(40)])

    assert await look(app) == 0


async def test_what_found_no_room_is_the_same_after_a_rebuild_and_goes_with_a_reversal(
    app: FastAPI, sender: httpx.AsyncClient
) -> None:
    results = await report_all(sender, rides_to_the_limit())
    capped = next(one for one in results if one["outcome"] == "capped")
    counted = [await limited_of(app)]

    await rebuild_days(app.state.runtime.resources.sessions)
    counted.append(await limited_of(app))
    await sender.post(f"/v1/actions/{capped['action_id']}/reversal", json={"reason": "test"})
    counted.append(await limited_of(app))

    assert counted == [54, 54, 53]


async def test_later_events_of_a_held_day_are_held_too(
    app: FastAPI, sender: httpx.AsyncClient
) -> None:
    await report_all(sender, long_rides())
    await look(app)
    await report_all(sender, [an_event()])

    assert await look(app) == 1
    assert await totals_of(app) == {"counted": 0, "held": 30 * 3_844_800 + 794_592}
    assert await look(app) == 0


async def test_a_reversal_of_a_held_action_comes_right(
    app: FastAPI, sender: httpx.AsyncClient
) -> None:
    results = await report_all(sender, long_rides())
    await look(app)
    answer = await sender.post(
        f"/v1/actions/{results[0]['action_id']}/reversal", json={"reason": "fraud"}
    )
    await look(app)

    assert answer.status_code == 201
    assert await totals_of(app) == {"counted": 0, "held": 29 * 3_844_800}
    assert await all_hold(app)


async def test_two_looks_without_counting_between_move_once(
    app: FastAPI, sender: httpx.AsyncClient
) -> None:
    await report_all(sender, long_rides())
    await catch_up(app)
    resources = app.state.runtime.resources
    moved = []
    for _ in range(2):
        async with resources.sessions() as session, session.begin():
            moved.append(await watch(session, load_plausible(), since=EVER, now=resources.clock()))
    await catch_up(app)

    assert moved == [1, 0]
    assert await totals_of(app) == {"counted": 0, "held": 30 * 3_844_800}


async def test_a_release_lets_everything_in_for_good(
    app: FastAPI, sender: httpx.AsyncClient
) -> None:
    await report_all(sender, long_rides())
    await look(app)
    listed = (await sender.get("/v1/holds?active=true")).json()["data"]
    path = f"/v1/holds/acme/transit.metro/{DAY}/release"

    answer = await sender.post(path, json={"reason": "an express line"})
    again = await sender.post(path, json={"reason": "another"})
    await look(app)

    assert [(row["partner"], row["actions"], row["mean_mg"]) for row in listed] == [
        ("acme", 30, "3844800")
    ]
    assert (answer.status_code, answer.json()["reason"]) == (200, "an express line")
    assert again.json() == answer.json()
    assert await totals_of(app) == {"counted": 30 * 3_844_800, "held": 0}
    assert await look(app) == 0
    assert await all_hold(app)


async def test_holds_are_listed_a_page_at_a_time(app: FastAPI, sender: httpx.AsyncClient) -> None:
    await report_all(sender, long_rides())
    await report_all(
        sender,
        [an_event({"distance_km": "60"}, time="2026-06-14T08:00:00+08:00") for _ in range(30)],
    )
    await look(app)

    first = (await sender.get("/v1/holds?limit=1")).json()
    second = (await sender.get(f"/v1/holds?limit=1&cursor={first['next_cursor']}")).json()

    assert {row["local_day"] for row in first["data"] + second["data"]} == {DAY, "2026-06-14"}
    assert second["next_cursor"] is None


async def test_releasing_what_was_never_held_is_not_found(sender: httpx.AsyncClient) -> None:
    answer = await sender.post(f"/v1/holds/acme/cycle.bike/{DAY}/release", json={"reason": "x"})

    assert answer.status_code == 404
    assert answer.json()["type"] == "/problems/hold-not-found"

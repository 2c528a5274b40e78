"""What a person declares has a budget, over all activities and batches; carbon is as before."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from builders import (
    SOURCES,
    NewSettings,
    SteppedClock,
    a_bike_ride,
    a_bus_ride,
    a_partner,
    a_ride,
    a_token,
    client_of,
    in_china,
    report,
    report_all,
    running_app,
    unique,
)
from fastapi import FastAPI

NOON = datetime(2026, 12, 31, 4, 0, tzinfo=UTC)
DAY_MAX, MONTH_MAX = 300, 3_000


@pytest.fixture(scope="module")
async def december(new_settings: NewSettings) -> AsyncIterator[FastAPI]:
    clock = SteppedClock()
    clock.now = NOON
    async with running_app(await new_settings(), clock) as app:
        yield app


@pytest.fixture
async def mei(december: FastAPI, home: Path) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(december, a_token(home, unique("mei"))) as client:
        yield client


def declared(make: Any, days_ago: int = 0, hour: int = 0, **changes: Any) -> dict[str, Any]:
    at = NOON - timedelta(days=days_ago, hours=hour)
    return make(subject="me", source="app", time=in_china(at), **changes)


async def test_all_activities_of_a_day_share_one_budget(mei: httpx.AsyncClient) -> None:
    results = [
        await report(mei, declared(make, hour=hour))
        for hour, make in enumerate((a_bike_ride, a_bus_ride, a_ride))
    ]

    assert [one["points"] for one in results] == [138, 162, 0]
    assert [one["reason"] for one in results] == [None, *["declared_points_per_day"] * 2]
    assert [one["avoided_mg"] for one in results] == ["138697", "255840", "794592"]


async def test_a_batch_does_not_pass_it_either(mei: httpx.AsyncClient) -> None:
    results = await report_all(mei, [declared(a_bus_ride, hour=hour) for hour in range(3)])

    assert [one["points"] for one in results] == [255, 45, 0]


async def test_a_month_of_invented_rides_in_one_batch_is_worth_a_month_s_budget(
    mei: httpx.AsyncClient,
) -> None:
    """348 metro rides of 1 to 29 days ago gave 72,000 points at once."""
    rides = [declared(a_ride, day, hour) for day in range(1, 30) for hour in range(12)]

    results = await report_all(mei, rides)

    by_day: dict[str, int] = {}
    for one in results:
        by_day[one["local_day"]] = by_day.get(one["local_day"], 0) + one["points"]
    assert max(by_day.values()) == DAY_MAX
    assert sum(by_day.values()) == MONTH_MAX
    assert {one["reason"] for one in results} >= {"declared_points_per_month"}
    points = (await mei.get("/v1/people/me")).json()["points"]
    assert (points["ripening"], points["collectable"]) == (MONTH_MAX, 0)


async def test_what_a_partner_records_is_outside_of_it(
    december: FastAPI, mei: httpx.AsyncClient
) -> None:
    acme = await a_partner(december.state.runtime.resources.sessions, sources=SOURCES)
    subject = unique("person")
    rides = [
        a_ride(subject=subject, time=in_china(NOON - timedelta(hours=hour)), evidencelevel=level)
        for hour, level in enumerate(("L0", "L1", "L0"))
    ]
    async with client_of(december, acme.key) as client:
        results = await report_all(client, rides)

    assert [one["points"] for one in results] == [300, 794, 0]


async def test_the_budget_is_public_and_the_statement_explains_it(
    mei: httpx.AsyncClient,
) -> None:
    await report(mei, declared(a_ride))

    policy = (await mei.get("/v1/policies")).json()
    statement = (await mei.get("/v1/people/me/statement", params={"day": "2026-12-31"})).json()

    assert policy["levels"] == {"L0": {"points_per_day": DAY_MAX, "points_per_month": MONTH_MAX}}
    assert "what people declare themselves" in str(statement)


async def test_days_before_the_policy_have_none(public: httpx.AsyncClient) -> None:
    assert (await public.get("/v1/policies", params={"on": "2026-11-30"})).json()["levels"] == {}

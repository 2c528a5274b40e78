"""A car that is parked for many days takes each of them, and each car has 104 of a year."""

import asyncio
from datetime import date, timedelta
from typing import Any

import httpx
from builders import (
    LEAVE_OUT,
    USUAL,
    SteppedClock,
    a_bike_ride,
    a_partner,
    a_ride,
    client_of,
    report,
    report_all,
    running_app,
    unique,
)
from fastapi import FastAPI

from service.settings import Settings

DAY = "2026-06-14"
OF_RIVAL = {"source": "rival-metro"}


def parked(
    days: int, last: str = DAY, subject: str | None = None, **data: object
) -> dict[str, Any]:
    """A car parked for days that end on `last`: 3,434,564 mg each."""
    given = {
        "distance_km": LEAVE_OUT, "trip_id": LEAVE_OUT, "days": days, "verified": True,
        "vehicle_id": unique("car"), **data,
    }  # fmt: skip
    return a_ride(
        given,
        type="vehicle.stop",
        evidencelevel="L1",
        subject=subject or unique("person"),
        time=f"{last}T11:30:00+08:00",
    )


def ride(day: str, subject: str, make: Any = a_ride) -> dict[str, Any]:
    return dict(make(subject=subject, time=f"{day}T08:30:00+08:00"))


def days_credited(results: list[dict[str, Any]]) -> int:
    return sum(int(one["avoided_mg"]) for one in results) // 3_434_564


async def test_a_ride_on_any_of_the_days_finds_no_room(partner: httpx.AsyncClient) -> None:
    subject, together = unique("person"), unique("person")
    days = ("2026-06-12", "2026-06-13", "2026-06-14")

    await report(partner, parked(3, subject=subject))
    later = [await report(partner, ride(day, subject)) for day in days]
    batch = await report_all(
        partner, [parked(3, subject=together), *(ride(day, together) for day in days)]
    )

    for result in (*later, *batch[1:]):
        assert (result["outcome"], result["reason"]) == ("capped", "excluded_that_day")
        assert (result["avoided_mg"], result["points"]) == ("0", 0)


async def test_a_ride_on_any_of_the_days_leaves_the_car_none(partner: httpx.AsyncClient) -> None:
    for day in ("2026-06-12", "2026-06-13", "2026-06-14"):
        subject, together = unique("person"), unique("person")

        await report(partner, ride(day, subject, a_bike_ride))
        alone = await report(partner, parked(3, subject=subject))
        batch = await report_all(
            partner, [ride(day, together, a_bike_ride), parked(3, subject=together)]
        )

        for result in (alone, batch[1]):
            assert (result["outcome"], result["reason"]) == ("capped", "excluded_that_day")
            assert "cycle.bike of " in result["detail"]


async def test_the_days_beside_them_are_free(partner: httpx.AsyncClient) -> None:
    subject = unique("person")

    results = await report_all(
        partner,
        [ride("2026-06-11", subject), parked(3, subject=subject), ride("2026-06-15", subject)],
    )

    assert [one["outcome"] for one in results] == ["credited"] * 3


async def test_days_of_two_stops_do_not_overlap(partner: httpx.AsyncClient) -> None:
    """Of one person with two cars as of one car with two people."""
    subject, car = unique("person"), unique("car")
    first = await report(partner, parked(3, subject=subject, vehicle_id=car))

    own = await report(partner, parked(1, "2026-06-13", subject))
    longer = await report(partner, parked(2, "2026-06-15", subject))
    others = await report(partner, parked(1, "2026-06-13", vehicle_id=car))
    after = await report(partner, parked(1, "2026-06-15", vehicle_id=car))

    assert first["outcome"] == after["outcome"] == "credited"
    for result in (own, longer, others):
        assert (result["outcome"], result["reason"]) == ("capped", "excluded_that_day")


async def test_days_that_are_only_covered_are_no_earnings_of_their_own(
    partner: httpx.AsyncClient,
) -> None:
    event = parked(3)
    await report(partner, event)

    person = f"/v1/people/{event['subject']}"
    earnings = (await partner.get(f"{person}/earnings")).json()["data"]
    statement = (await partner.get(f"{person}/statement?month=2026-06")).json()

    assert [one["local_day"] for one in earnings] == [DAY]
    assert [one["local_day"] for one in statement["earnings"]] == [DAY]


async def test_a_car_has_104_days_a_year_whoever_reports_it(
    backfill: httpx.AsyncClient, rival: httpx.AsyncClient
) -> None:
    """30 + 30 + 30 days leave 14: 15 more are too many, 14 are not, and then there is none."""
    car = unique("car")
    taken = [
        await report(backfill, parked(30, day, vehicle_id=car))
        for day in ("2026-01-30", "2026-03-15", "2026-04-30")
    ]

    too_many = await report(rival, parked(15, vehicle_id=car) | OF_RIVAL)
    rest = await report(rival, parked(14, vehicle_id=car) | OF_RIVAL)
    none = await report(backfill, parked(1, "2026-02-10", vehicle_id=car))
    other_car = await report(backfill, parked(1, "2026-02-10"))

    assert days_credited([*taken, rest]) == 104
    assert other_car["outcome"] == "credited"
    for result in (too_many, none):
        assert (result["outcome"], result["reason"]) == ("capped", "methodology_quantity_per_year")
        assert (result["avoided_mg"], result["points"]) == ("0", 0)
    assert "at most 104 days a year; 90 of 2026 are taken" in too_many["detail"]


async def test_a_car_without_a_name_is_the_only_one_of_its_person(
    backfill: httpx.AsyncClient,
) -> None:
    subject = unique("person")
    days = ("2026-01-30", "2026-03-15", "2026-04-30", "2026-06-14")

    results = [
        await report(backfill, parked(30, day, subject, vehicle_id=LEAVE_OUT)) for day in days
    ]

    assert days_credited(results) == 90
    assert results[3]["reason"] == "methodology_quantity_per_year"


async def test_each_year_has_a_limit_of_its_own(backfill: httpx.AsyncClient) -> None:
    car = unique("car")
    for days, last in ((30, "01-30"), (30, "03-15"), (30, "04-30"), (14, "06-14")):
        await report(backfill, parked(days, f"2025-{last}", vehicle_id=car))

    over_new_year = await report(backfill, parked(3, "2026-01-02", vehicle_id=car))
    of_the_new_one = await report(backfill, parked(2, "2026-01-02", vehicle_id=car))

    assert over_new_year["reason"] == "methodology_quantity_per_year"
    assert "104 of 2025 are taken" in over_new_year["detail"]
    assert of_the_new_one["outcome"] == "credited"


async def test_many_writers_together_do_not_pass_the_year(
    app: FastAPI, settings: Settings, clock: SteppedClock
) -> None:
    """Two programs, forty people, one car: of 120 different days, whole events of three fit 34."""
    car = unique("car")
    first = date(2026, 1, 3)
    source, scopes = unique("cars"), (*USUAL, "events:backfill")
    events = [
        parked(3, str(first + timedelta(days=3 * n)), vehicle_id=car) | {"source": source}
        for n in range(40)
    ]
    sessions = app.state.runtime.resources.sessions
    key = (await a_partner(sessions, sources=(source,), scopes=scopes)).key

    async with (
        running_app(settings, clock) as other,
        client_of(app, key) as one,
        client_of(other, key) as two,
    ):
        results = await asyncio.gather(
            *(report((one, two)[n % 2], event) for n, event in enumerate(events))
        )
        again = await report_all(two, events)

    assert days_credited(results) == days_credited(again) == 102
    assert [one["outcome"] for one in results].count("capped") == 6
    assert all(one["duplicate"] for one in again)


async def test_a_reversed_stop_keeps_its_days_and_its_share(backfill: httpx.AsyncClient) -> None:
    """As a reversed ride keeps its claim."""
    car = unique("car")
    for day in ("2026-01-30", "2026-03-15", "2026-04-30"):
        last = await report(backfill, parked(30, day, vehicle_id=car))
    undone = await backfill.post(
        f"/v1/actions/{last['action_id']}/reversal", json={"reason": "fraud"}
    )
    assert undone.status_code == 201, undone.text

    same_day = await report(backfill, parked(1, "2026-04-15", vehicle_id=car))
    too_many = await report(backfill, parked(15, vehicle_id=car))

    assert same_day["reason"] == "excluded_that_day"
    assert too_many["reason"] == "methodology_quantity_per_year"


async def test_a_stop_that_gives_nothing_takes_nothing(partner: httpx.AsyncClient) -> None:
    car, subject = unique("car"), unique("person")

    restricted = await report(
        partner, parked(3, subject=subject, vehicle_id=car, restricted_day=True)
    )
    results = [
        await report(partner, parked(1, "2026-06-13", vehicle_id=car)),
        await report(partner, ride("2026-06-12", subject)),
    ]

    assert restricted["outcome"] == "zero"
    assert [one["outcome"] for one in results] == ["credited", "credited"]

"""One person is on the way once at a time: legs may follow each other and may not overlap."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import httpx
import pytest
from any_event import EDITIONS
from builders import (
    SOURCES,
    NewSettings,
    SteppedClock,
    a_bike_ride,
    a_bus_ride,
    a_partner,
    an_event,
    client_of,
    in_china,
    report,
    report_all,
    running_app,
    unique,
)
from hypothesis import given
from hypothesis import strategies as st

from methodologies.exclusive import load_exclusions
from service.intake.legs import legs_of, legs_text

AT = datetime.fromisoformat("2026-06-15T08:00:00+08:00")


def at(minutes: float) -> str:
    """A time on the morning of the tests."""
    return (AT + timedelta(minutes=minutes)).isoformat()


def on_the_way(event, subject: str, start: float, minutes: str):
    return event({"duration_min": minutes}, subject=subject, time=at(start))


async def test_a_leg_that_overlaps_another_gives_nothing(partner: httpx.AsyncClient) -> None:
    subject = unique("person")
    await report(partner, on_the_way(an_event, subject, 0, "30"))

    result = await report(partner, on_the_way(a_bike_ride, subject, 29.5, "15"))

    assert (result["outcome"], result["reason"]) == ("capped", "overlaps_another_leg")
    assert (result["avoided_mg"], result["points"]) == ("0", 0)


@pytest.mark.parametrize("start", [30, -15, 200])
async def test_legs_that_follow_each_other_all_count(
    partner: httpx.AsyncClient, start: float
) -> None:
    subject = unique("person")
    await report(partner, on_the_way(an_event, subject, 0, "30"))

    result = await report(partner, on_the_way(a_bike_ride, subject, start, "15"))

    assert result["outcome"] == "credited"


async def test_overlaps_are_found_within_a_batch(partner: httpx.AsyncClient) -> None:
    subject = unique("person")

    results = await report_all(
        partner,
        [
            on_the_way(an_event, subject, 0, "30"),
            on_the_way(a_bus_ride, subject, 10, "30"),
            on_the_way(a_bike_ride, subject, 35, "15"),
            on_the_way(a_bike_ride, subject, 49, "15"),
        ],
    )

    assert [one["outcome"] for one in results] == ["credited", "capped", "credited", "capped"]


async def test_another_person_may_travel_at_the_same_time(partner: httpx.AsyncClient) -> None:
    await report(partner, on_the_way(an_event, unique("person"), 0, "30"))

    result = await report(partner, on_the_way(an_event, unique("person"), 0, "30"))

    assert result["outcome"] == "credited"


async def test_a_leg_over_midnight_meets_the_next_day(partner: httpx.AsyncClient) -> None:
    subject, midnight = unique("person"), 16 * 60 - 24 * 60
    await report(partner, on_the_way(an_event, subject, midnight - 10, "30"))

    early = await report(partner, on_the_way(a_bike_ride, subject, midnight + 15, "15"))
    later = await report(partner, on_the_way(a_bike_ride, subject, midnight + 20, "15"))

    assert (early["outcome"], later["outcome"]) == ("capped", "credited")
    assert early["local_day"] == "2026-06-15"


async def test_a_leg_is_found_on_the_day_after_also_when_a_month_lies_between(
    backfill: httpx.AsyncClient,
) -> None:
    subject = unique("person")
    leg = {"duration_min": "30"}
    first_of_june = an_event(leg, subject=subject, time="2026-06-01T00:05:00+08:00")
    last_of_may = an_event(leg, subject=subject, time="2026-05-31T23:50:00+08:00")

    first, second = await report(backfill, first_of_june), await report(backfill, last_of_may)

    assert (first["outcome"], second["outcome"]) == ("credited", "capped")


async def test_a_leg_without_a_duration_is_not_checked_before_there_were_speeds(
    partner: httpx.AsyncClient,
) -> None:
    subject = unique("person")
    await report(partner, on_the_way(an_event, subject, 0, "30"))

    result = await report(partner, an_event(subject=subject, time=at(10)))

    assert result["outcome"] == "credited"


async def test_a_leg_that_was_refused_or_capped_takes_no_time(partner: httpx.AsyncClient) -> None:
    subject = unique("person")
    await report(partner, on_the_way(an_event, subject, 0, "30"))
    await report(partner, on_the_way(a_bus_ride, subject, 20, "30"))

    result = await report(partner, on_the_way(a_bike_ride, subject, 35, "15"))

    assert result["outcome"] == "credited"


@given(st.lists(st.tuples(st.integers(0, 2**40), st.integers(0, 2**40)), max_size=50))
def test_legs_survive_being_written(legs: list[tuple[int, int]]) -> None:
    assert legs_of(legs_text(legs)) == legs


def test_a_leg_lasts_as_long_as_it_says() -> None:
    rules, began = load_exclusions(), datetime.fromtimestamp(1000, UTC)

    assert rules.leg_of("transit.metro", began, {"duration_min": "1.99"}) == (1000, 1119)
    assert rules.leg_of("transit.metro", began, {}) is None
    assert rules.leg_of("transit.metro", began, {"duration_min": "0"}) is None
    assert rules.leg_of("food.no_cutlery", began, {"duration_min": "5"}) is None


@pytest.mark.parametrize(
    ("activity", "data", "length_s"),
    [
        ("transit.metro", {"distance_km": "12.4"}, 558 - 60),
        ("transit.metro", {"distance_km": Decimal("12.4"), "duration_min": "20"}, 1200),
        ("transit.metro", {"distance_km": "1.3"}, None),  # within the tolerance
        ("transit.metro", {"distance_km": "12.4", "trip_ids": ["a", "b"]}, None),
        ("cycle.bike", {"distance_km": 3}, 360 - 60),
        ("rail.instead_of_air", {"rail_km": "1400"}, 14400 - 60),
    ],
)
def test_a_ride_takes_at_least_what_its_distance_takes(
    activity: str, data: dict[str, object], length_s: int | None
) -> None:
    rules, began = load_exclusions(), datetime(2026, 12, 1, 8, tzinfo=UTC)
    day_before = began - timedelta(days=1)

    leg = rules.leg_of(activity, began, data)

    assert (leg and leg[1] - leg[0]) == length_s
    if "duration_min" not in data:
        assert rules.leg_of(activity, day_before, data) is None


def test_the_speeds_are_of_legs_and_of_inputs_that_there_are() -> None:
    rules = load_exclusions()

    assert rules.speeds.fastest.keys() <= rules.legs
    for activity, one in rules.speeds.fastest.items():
        for edition in EDITIONS[activity]:
            assert one.input in edition.sheet["inputs"]


async def test_rides_of_one_person_fit_the_clock(new_settings: NewSettings) -> None:
    """Ten rides of 12.4 km in the same second were all credited."""
    clock, subject = SteppedClock(), unique("person")
    clock.now = datetime(2026, 12, 10, 4, tzinfo=UTC)
    async with running_app(await new_settings(), clock) as app:
        acme = await a_partner(app.state.runtime.resources.sessions, sources=SOURCES)
        async with client_of(app, acme.key) as client:
            morning = datetime(2026, 12, 10, 0, tzinfo=UTC)
            same = [an_event(subject=subject, time=in_china(morning)) for _ in range(10)]
            results = await report_all(client, same)
            later = await report(
                client, an_event(subject=subject, time=in_china(morning + timedelta(minutes=9)))
            )

    assert [one["outcome"] for one in results] == ["credited", *["capped"] * 9]
    assert {one["reason"] for one in results[1:]} == {"overlaps_another_leg"}
    assert later["outcome"] == "credited"

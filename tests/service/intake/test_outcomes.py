"""What becomes of an event: credited, capped, zero, refused or already claimed."""

from datetime import UTC, datetime

import httpx
import pytest
from builders import (
    SteppedClock,
    a_bike_ride,
    a_box,
    a_bus_ride,
    an_event,
    an_invoice,
    an_order,
    report,
    report_all,
    unique,
)


@pytest.mark.parametrize(
    ("event", "avoided_mg", "points"),
    [
        (an_event, "794592", 794),
        (a_bus_ride, "255840", 255),
        (a_bike_ride, "138697", 138),
        (an_order, "12521", 12),
        (a_box, "30340", 30),
    ],
)
async def test_each_activity_is_credited(
    partner: httpx.AsyncClient, event, avoided_mg: str, points: int
) -> None:
    result = await report(partner, event())

    assert result["outcome"] == "credited"
    assert (result["avoided_mg"], result["points"]) == (avoided_mg, points)


async def test_the_day_is_the_local_day_of_the_event(partner: httpx.AsyncClient) -> None:
    result = await report(partner, an_event(time="2026-06-15T00:10:00+08:00"))

    assert result["local_day"] == "2026-06-15"
    assert result["ripens_at"] == "2026-06-16T07:00:00+08:00"


@pytest.mark.parametrize(
    ("region", "time", "ripens_at"),
    [
        ("CN", "2026-06-10T08:00:00+08:00", "2026-06-16T07:00:00+08:00"),
        ("CN", "2026-06-14T23:59:59+08:00", "2026-06-16T07:00:00+08:00"),
        ("US", "2026-06-10T08:00:00-07:00", "2026-06-15T07:00:00-07:00"),  # it is the 14th there
    ],
)
async def test_a_late_event_ripens_as_if_it_were_of_today(
    partner: httpx.AsyncClient, region: str, time: str, ripens_at: str
) -> None:
    result = await report(partner, an_event({"region": region}, time=time))

    assert result["outcome"] == "credited"
    assert result["ripens_at"] == ripens_at


async def test_a_late_event_is_not_collected_with_what_is_ripe_already(
    partner: httpx.AsyncClient, clock: SteppedClock
) -> None:
    who, day = unique("person"), "2026-06-14T08:00:00+08:00"
    clock.now = datetime(2026, 6, 14, 4, tzinfo=UTC)
    first = await report(partner, a_bus_ride(subject=who, time=day))
    clock.now = datetime(2026, 6, 15, 4, tzinfo=UTC)  # its points are ripe since 07:00

    late = await report(partner, a_bus_ride(subject=who, time="2026-06-14T12:00:00+08:00"))
    at_once = (await partner.post(f"/v1/people/{who}/collect")).json()
    clock.now = datetime(2026, 6, 15, 23, 30, tzinfo=UTC)
    next_morning = (await partner.post(f"/v1/people/{who}/collect")).json()

    assert late["ripens_at"] == "2026-06-16T07:00:00+08:00"
    assert at_once["points"] == 0
    assert next_morning["points"] == first["points"] + late["points"] > 0


async def test_an_event_of_last_night_ripens_this_morning(
    partner: httpx.AsyncClient, clock: SteppedClock
) -> None:
    clock.now = datetime(2026, 6, 14, 22, 59, tzinfo=UTC)

    result = await report(partner, an_event(time="2026-06-14T23:59:59+08:00"))

    assert result["ripens_at"] == "2026-06-15T07:00:00+08:00"


async def test_an_event_of_thirty_days_ago_counts(partner: httpx.AsyncClient) -> None:
    result = await report(partner, an_event(time="2026-05-16T04:00:00Z"))

    assert result["outcome"] == "credited"


async def test_an_older_event_is_refused(partner: httpx.AsyncClient) -> None:
    result = await report(partner, an_event(time="2026-05-16T03:59:59Z"))

    assert (result["outcome"], result["reason"]) == ("refused", "out_of_period")
    assert "events:backfill" in result["detail"]
    assert (result["avoided_mg"], result["points"], result["ripens_at"]) == ("0", 0, None)


async def test_backfill_may_report_it(backfill: httpx.AsyncClient) -> None:
    result = await report(backfill, an_event(time="2025-06-01T08:00:00+08:00"))

    assert (result["outcome"], result["avoided_mg"]) == ("credited", "794592")


@pytest.mark.parametrize("time", ["2020-12-31T23:59:59+08:00", "1970-01-01T00:00:00Z"])
async def test_no_day_outside_the_programme_counts(backfill: httpx.AsyncClient, time: str) -> None:
    result = await report(backfill, an_event(time=time))

    assert (result["outcome"], result["reason"]) == ("refused", "out_of_period")


async def test_an_event_may_be_five_minutes_ahead(partner: httpx.AsyncClient) -> None:
    result = await report(partner, an_event(time="2026-06-15T04:05:00Z"))

    assert result["outcome"] == "credited"


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (lambda: an_event({"region": "FR"}), "no_methodology"),
        (lambda: a_bike_ride({"distance_km": "10", "duration_min": "2"}), "implausible"),
        (lambda: a_bike_ride({"distance_km": "0.1"}), "implausible"),
        (lambda: an_invoice(evidencelevel="L0"), "evidence_too_weak"),
    ],
)
async def test_a_refusal_is_recorded_with_its_reason(
    partner: httpx.AsyncClient, event, reason: str
) -> None:
    sent = event()

    first, again = await report(partner, sent), await report(partner, sent)

    assert (first["outcome"], first["reason"]) == ("refused", reason)
    assert first["detail"]
    assert first["methodology"] is None
    assert again == {**first, "duplicate": True}


async def test_nothing_avoided_is_zero(partner: httpx.AsyncClient) -> None:
    result = await report(partner, an_order({"merchant_complied": False}))

    assert (result["outcome"], result["avoided_mg"], result["points"]) == ("zero", "0", 0)
    assert result["ripens_at"] is None


async def test_an_invoice_before_the_sunset_is_credited(backfill: httpx.AsyncClient) -> None:
    result = await report(backfill, an_invoice(time="2024-11-30T23:59:59+08:00"))

    assert (result["outcome"], result["avoided_mg"], result["points"]) == ("credited", "3540", 3)


async def test_an_invoice_after_it_keeps_flat_points(backfill: httpx.AsyncClient) -> None:
    result = await report(backfill, an_invoice(time="2024-12-01T00:00:00+08:00"))

    assert (result["outcome"], result["avoided_mg"], result["points"]) == ("zero", "0", 5)
    assert result["ripens_at"] is not None


async def test_the_methodology_limits_the_actions_of_a_day(partner: httpx.AsyncClient) -> None:
    subject = unique("person")

    results = await report_all(partner, [an_order(subject=subject) for _ in range(7)])

    assert [one["outcome"] for one in results] == ["credited"] * 6 + ["capped"]
    last = results[-1]
    assert last["reason"] == "methodology_actions_per_day"
    assert (last["avoided_mg"], last["points"]) == ("0", 0)
    assert "food.no_cutlery@1.0.0" in last["detail"]


async def test_the_methodology_limits_the_quantity_of_a_day(partner: httpx.AsyncClient) -> None:
    subject = unique("person")
    events = [a_box({"boxes": boxes}, subject=subject) for boxes in (18, 12, 11, 2)]

    results = await report_all(partner, events)

    assert [one["reason"] for one in results] == [
        None, None, "methodology_quantity_per_day", None,
    ]  # fmt: skip
    assert results[2]["avoided_mg"] == "0"


async def test_policy_limits_the_actions_of_a_day(partner: httpx.AsyncClient) -> None:
    subject = unique("person")

    results = await report_all(partner, [an_invoice(subject=subject) for _ in range(11)])

    assert [one["points"] for one in results] == [5] * 10 + [0]
    assert (results[-1]["outcome"], results[-1]["reason"]) == ("capped", "actions_per_day")


async def test_policy_limits_the_points_of_a_day(partner: httpx.AsyncClient) -> None:
    subject = unique("person")
    rides = [a_bike_ride({"distance_km": "30"}, subject=subject) for _ in range(3)]

    results = await report_all(partner, rides)

    assert [one["points"] for one in results] == [1300, 1300, 400]
    assert [one["avoided_mg"] for one in results] == ["1300290"] * 3
    assert (results[-1]["outcome"], results[-1]["reason"]) == ("capped", "points_per_day")


async def test_policy_limits_the_points_of_a_month(partner: httpx.AsyncClient) -> None:
    subject = unique("person")
    boxes = [
        a_box({"boxes": 20}, subject=subject, time=f"2026-06-{day:02}T10:00:00+08:00")
        for day in range(1, 7)
        for _ in range(2)
    ]

    results = await report_all(partner, boxes)
    next_month = await report(
        partner, a_box({"boxes": 20}, subject=subject, time="2026-05-31T10:00:00+08:00")
    )

    assert sum(one["points"] for one in results) == 6000
    assert {one["reason"] for one in results[:10]} == {None, "points_per_day"}
    assert {one["reason"] for one in results[10:]} == {"points_per_month"}
    assert next_month["points"] == 606


async def test_caps_hold_over_separate_requests(partner: httpx.AsyncClient) -> None:
    subject = unique("person")

    outcomes = [(await report(partner, an_order(subject=subject)))["outcome"] for _ in range(7)]

    assert outcomes == ["credited"] * 6 + ["capped"]


async def test_caps_are_each_persons_own(partner: httpx.AsyncClient) -> None:
    await report_all(partner, [an_order(subject=unique("person")) for _ in range(7)])

    result = await report(partner, an_order())

    assert result["outcome"] == "credited"


async def test_a_claim_is_credited_once(partner: httpx.AsyncClient) -> None:
    trip = unique("trip")
    first = await report(partner, an_event({"trip_id": trip}))

    second = await report(partner, an_event({"trip_id": trip}))

    assert first["outcome"] == "credited"
    assert (second["outcome"], second["reason"]) == ("already_claimed", "already_claimed")
    assert (second["avoided_mg"], second["points"], second["ripens_at"]) == ("0", 0, None)


async def test_a_claim_is_credited_once_whoever_reports_it(
    partner: httpx.AsyncClient, rival: httpx.AsyncClient
) -> None:
    trip = unique("trip")
    first = await report(partner, an_event({"trip_id": trip}))

    second = await report(rival, an_event({"trip_id": trip}, source="rival-metro"))

    assert first["outcome"] == "credited"
    assert second["outcome"] == "already_claimed"


async def test_metro_and_bus_share_the_claim_of_a_trip(partner: httpx.AsyncClient) -> None:
    trip, subject = unique("trip"), unique("person")

    results = await report_all(
        partner,
        [
            an_event({"trip_id": trip}, subject=subject),
            a_bus_ride({"trip_id": trip}, subject=subject),
        ],
    )

    assert [one["outcome"] for one in results] == ["credited", "already_claimed"]


async def test_an_event_owns_all_of_its_claims_or_none(partner: httpx.AsyncClient) -> None:
    a, b, c = (unique("trip") for _ in range(3))
    several = {"trip_id": None, "trips": 2, "distance_km": "10"}
    subject = unique("person")  # only one person's events are sure to be decided in their order

    results = await report_all(
        partner,
        [
            an_event({"trip_id": a}, subject=subject),
            an_event({**several, "trip_ids": [a, b]}, subject=subject),
            an_event({"trip_id": b}, subject=subject),
            an_event({**several, "trip_ids": [b, c]}, subject=subject),
            an_event({"trip_id": c}, subject=subject),
        ],
    )

    assert [one["outcome"] for one in results] == [
        "credited", "already_claimed", "credited", "already_claimed", "credited",
    ]  # fmt: skip


async def test_a_claim_that_was_lost_stays_free_for_others(partner: httpx.AsyncClient) -> None:
    a, b = unique("trip"), unique("trip")
    await report(partner, an_event({"trip_id": a}))
    lost = await report(partner, an_event({"trip_id": None, "trips": 2, "trip_ids": [b, a]}))

    result = await report(partner, an_event({"trip_id": b}))

    assert lost["outcome"] == "already_claimed"
    assert result["outcome"] == "credited"


async def test_a_refused_event_claims_nothing(partner: httpx.AsyncClient) -> None:
    trip = unique("trip")
    await report(partner, an_event({"trip_id": trip, "region": "FR"}))

    result = await report(partner, an_event({"trip_id": trip}))

    assert result["outcome"] == "credited"

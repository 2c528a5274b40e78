"""What one person's actions exclude for a whole day or month: first come, first served."""

from collections.abc import Callable
from itertools import permutations
from typing import Any

import httpx
import pytest
from builders import (
    LEAVE_OUT,
    a_bike_ride,
    a_bus_ride,
    a_ride,
    an_order,
    report,
    report_all,
    unique,
)

DAY, DAY_BEFORE, MONTH_BEFORE = "2026-06-14", "2026-06-13", "2026-05-14"
Make = Callable[..., dict[str, Any]]


def event(activity: str, **data: Any) -> Make:
    """Makes events of an activity with what its sheet needs."""

    def make(more: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
        given = {"distance_km": LEAVE_OUT, "trip_id": LEAVE_OUT, **data, **(more or {})}
        return a_ride(given, type=activity, evidencelevel="L1", **changes)

    return make


parked = event("vehicle.stop", days="1", verified=True)
tolled = event("vehicle.etc", passages="1")
charged = event("ev.charge", kwh="20", kwh_per_100km="15")
driven = event("ev.drive", distance_km="25", kwh_per_100km="15")
stepped = event("walk.steps", steps="8000")
walked = event("walk.trip", distance_km="1.5", navigated=True)

OF_A_DAY = [
    *((parked, other) for other in (a_ride, a_bus_ride, a_bike_ride, walked, stepped, driven)),
    (stepped, walked),
]
DAY_PAIRS = [pair for both in OF_A_DAY for pair in permutations(both)]
MONTH_PAIRS = list(permutations((charged, driven)))


def on(make: Make, subject: str, day: str = DAY) -> dict[str, Any]:
    return make(subject=subject, time=f"{day}T08:30:00+08:00")


def assert_excluded(result: dict[str, Any], word: str, by: dict[str, Any]) -> None:
    """Capped for a reason that names the other activity, with nothing given."""
    assert (result["outcome"], result["reason"]) == ("capped", f"excluded_that_{word}")
    assert (result["avoided_mg"], result["points"]) == ("0", 0)
    assert by["type"] in result["detail"]


@pytest.mark.parametrize(("first", "second"), DAY_PAIRS)
async def test_the_first_of_a_day_leaves_nothing_for_the_other(
    partner: httpx.AsyncClient, first: Make, second: Make
) -> None:
    subject, together = unique("person"), unique("person")

    alone = await report(partner, on(first, subject))
    later = await report(partner, on(second, subject))
    batch = await report_all(partner, [on(first, together), on(second, together)])

    assert [alone["outcome"], batch[0]["outcome"]] == ["credited", "credited"]
    for result in (later, batch[1]):
        assert_excluded(result, "day", on(first, subject))


@pytest.mark.parametrize(("first", "second"), DAY_PAIRS)
async def test_another_day_or_person_is_not_concerned(
    backfill: httpx.AsyncClient, first: Make, second: Make
) -> None:
    subject = unique("person")
    month_apart = {first, second} == {charged, driven}
    other_day = MONTH_BEFORE if month_apart else DAY_BEFORE

    results = await report_all(
        backfill,
        [on(first, subject), on(second, subject, other_day), on(second, unique("person"))],
    )

    assert [one["outcome"] for one in results] == ["credited"] * 3


@pytest.mark.parametrize(("first", "second"), MONTH_PAIRS)
async def test_a_car_is_credited_by_its_way_or_by_its_charge_in_a_month(
    backfill: httpx.AsyncClient, first: Make, second: Make
) -> None:
    subject, together = unique("person"), unique("person")

    alone = await report(backfill, on(first, subject, DAY_BEFORE))
    later = await report(backfill, on(second, subject))
    month_before = await report(backfill, on(second, subject, MONTH_BEFORE))
    batch = await report_all(backfill, [on(first, together, DAY_BEFORE), on(second, together)])
    somebody = await report(backfill, on(second, unique("person")))

    for credited in (alone, batch[0], month_before, somebody):
        assert credited["outcome"] == "credited", credited
    for result in (later, batch[1]):
        assert_excluded(result, "month", on(first, subject))


async def test_what_has_no_rival_is_credited_beside_a_parked_car(
    partner: httpx.AsyncClient,
) -> None:
    subject = unique("person")

    results = await report_all(partner, [on(parked, subject), on(an_order, subject)])

    assert [one["outcome"] for one in results] == ["credited", "credited"]


async def test_an_excluded_action_excludes_nothing_itself(partner: httpx.AsyncClient) -> None:
    """The ride beside the parked car is no rival of the steps... which the parked car is."""
    subject = unique("person")

    walk, steps, again = await report_all(
        partner, [on(walked, subject), on(stepped, subject), on(walked, subject)]
    )

    assert [walk["outcome"], again["outcome"]] == ["credited", "credited"]
    assert_excluded(steps, "day", on(walked, subject))


async def test_a_reversed_action_keeps_its_day_as_it_keeps_its_claim(
    partner: httpx.AsyncClient,
) -> None:
    subject = unique("person")
    ride = await report(partner, on(a_ride, subject))
    undone = await partner.post(
        f"/v1/actions/{ride['action_id']}/reversal", json={"reason": "refund"}
    )
    assert undone.status_code == 201, undone.text

    result = await report(partner, on(parked, subject))

    assert_excluded(result, "day", ride | {"type": "transit.metro"})

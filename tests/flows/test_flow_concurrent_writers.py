"""Two hundred writers of one person at once: no cap is passed, and each is used to the full."""

import asyncio
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from builders import SINGLE, a_box, a_bus_ride, an_invoice, unique
from flow_clients import DAY, Event, of_the_demo
from flow_system import System

WRITERS = 200


@dataclass(frozen=True, slots=True)
class Case:
    """What everybody sends, and what must come of all of it. Carbon of one event in mg."""

    make: Callable[..., Event]
    data: dict[str, Any]
    days: int
    outcomes: dict[str, int]
    credited_mg: int
    points: int


CASES = {
    # 11 rides of 255 points, one that brings the 2,805 to 3,000; then twelve rides were credited.
    "points a day, actions of the methodology": Case(
        a_bus_ride, {}, 1,
        {"credited": 11, "points_per_day": 1, "methodology_actions_per_day": 188},
        255_840, 3_000,
    ),
    # 9 times 121 points, one that brings the 1,089 to 1,200; then forty boxes were credited.
    "points a day, quantity of the methodology": Case(
        a_box, {"boxes": 4}, 1,
        {"credited": 9, "points_per_day": 1, "methodology_quantity_per_day": 190},
        121_360, 1_200,
    ),
    "actions a day": Case(
        an_invoice, {}, 1, {"zero": 10, "actions_per_day": 190}, 0, 50
    ),
    # Ten invoices on each of twenty days, five points each; the month has room for 500 points.
    "points a month": Case(
        an_invoice, {}, 20, {"zero": 100, "points_per_month": 100}, 0, 500
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
async def test_two_hundred_writers_of_one_person_stop_exactly_at_the_cap(
    system: System, case: Case
) -> None:
    subject = unique("person")
    events = [_event(case, subject, number) for number in range(WRITERS)]

    async with system.client() as client:
        results = await asyncio.gather(*(_report(client, event) for event in events))
        statement = (await client.get(f"/v1/people/{subject}")).json()

    ends = Counter(result["reason"] or result["outcome"] for result in results)
    credited = [result for result in results if result["avoided_mg"] != "0"]
    assert ends == case.outcomes
    assert sum(result["points"] for result in results) == case.points
    assert {result["avoided_mg"] for result in credited} <= {str(case.credited_mg)}
    assert statement["points"]["issued"] == case.points
    assert statement["carbon"]["avoided_mg"] == str(case.credited_mg * len(credited))


async def test_what_was_earned_is_what_was_answered(system: System) -> None:
    subject = unique("person")
    events = [_event(case, subject, number) for case in CASES.values() for number in range(50)]

    async with system.client() as client:
        results = await asyncio.gather(*(_report(client, event) for event in events))
        earnings = (await client.get(f"/v1/people/{subject}/earnings?limit=200")).json()["data"]

    answered: Counter[tuple[str, str]] = Counter()
    for event, result in zip(events, results, strict=True):
        answered[event["time"][:10], event["type"]] += result["points"]
    earned = {(row["local_day"], row["activity"]): row["points"] for row in earnings}
    assert {key: points for key, points in answered.items() if points} == earned


def _event(case: Case, subject: str, number: int) -> Event:
    event = of_the_demo(case.make(case.data, subject=subject))
    day = int(DAY[-2:]) + number % case.days
    return {**event, "time": event["time"].replace(DAY, f"{DAY[:-2]}{day:02}")}


async def _report(client: httpx.AsyncClient, event: Event) -> dict[str, Any]:
    answer = await client.post("/v1/events", content=json.dumps(event), headers=SINGLE)
    assert answer.status_code == 201, answer.text
    result: dict[str, Any] = answer.json()
    return result

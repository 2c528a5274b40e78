"""An action is undone: where its points are taken from, and that the lines tell it in order."""

from datetime import timedelta
from typing import Any

import httpx
import pytest
from builders import NOW, SINGLE, SteppedClock, a_partner, a_ride, client_of
from fastapi import FastAPI
from flow_clients import Event

LAPSED = timedelta(hours=19 + 72, minutes=1)  # ripe at 07:00 tomorrow, gone three days later
RIPE = timedelta(hours=20)
POINTS = 794


@pytest.fixture
async def acme(quiet_app: FastAPI) -> Any:
    partner = await a_partner(quiet_app.state.runtime.resources.sessions, sources=("metro",))
    async with client_of(quiet_app, partner.key) as client:
        yield client


@pytest.fixture
def clock(quiet_app: FastAPI) -> SteppedClock:
    found = quiet_app.state.runtime.resources.clock
    assert isinstance(found, SteppedClock)
    return found


async def test_points_that_lapsed_are_not_taken_back(
    acme: httpx.AsyncClient, clock: SteppedClock
) -> None:
    event = a_ride()
    action = await _report(acme, event)
    clock.now = NOW + LAPSED

    taken = await _reverse(acme, action)

    points = (await acme.get(f"/v1/people/{event['subject']}")).json()["points"]
    assert taken["points"] == 0
    assert (points["lapsed"], points["issued"]) == (POINTS, POINTS)


async def test_lapsed_points_stay_lapsed_when_their_day_earns_again(
    acme: httpx.AsyncClient, clock: SteppedClock
) -> None:
    early = a_ride()
    action = await _report(acme, early)
    clock.now = NOW + LAPSED
    await _report(acme, a_ride(subject=early["subject"]))

    taken = await _reverse(acme, action)

    # The earning of that day holds the late event's points; those that lapsed are gone.
    points = (await acme.get(f"/v1/people/{early['subject']}")).json()["points"]
    assert points["lapsed"] == POINTS
    assert points["ripening"] == POINTS - taken["points"]


async def test_lines_of_one_moment_are_listed_in_their_order(
    acme: httpx.AsyncClient, clock: SteppedClock
) -> None:
    """A reversal writes two lines when it takes some from the balance and the rest as debt."""
    for _ in range(8):
        clock.now = NOW
        first, second = a_ride(), a_ride({"distance_km": "3"})
        subject = second["subject"] = first["subject"]
        big, small = await _report(acme, first), await _report(acme, second)
        clock.now = NOW + RIPE
        (await acme.post(f"/v1/people/{subject}/collect")).raise_for_status()

        await _reverse(acme, small)
        await _reverse(acme, big)

        lines = (await acme.get(f"/v1/people/{subject}/entries")).json()["data"][::-1]
        sums = [sum(line["points"] for line in lines[: at + 1]) for at in range(len(lines))]
        assert [line["balance_after"] for line in lines] == sums


async def _report(client: httpx.AsyncClient, event: Event) -> str:
    answer = await client.post("/v1/events", json=event, headers=SINGLE)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["action_id"])


async def _reverse(client: httpx.AsyncClient, action: str) -> dict[str, Any]:
    answer = await client.post(f"/v1/actions/{action}/reversal", json={"reason": "refund"})
    assert answer.status_code == 201, answer.text
    taken: dict[str, Any] = answer.json()
    return taken

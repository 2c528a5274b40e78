"""Order, repeats and cuts of the same events make no difference; nor does a crash in the middle."""

from collections.abc import Sequence
from typing import Any

import pytest
from anyio.from_thread import start_blocking_portal
from builders import (
    BATCH,
    SteppedClock,
    a_bike_ride,
    a_box,
    a_bus_ride,
    a_partner,
    a_ride,
    an_invoice,
    an_order,
    catch_up,
    client_of,
    running_app,
    unique,
)
from fastapi import FastAPI
from flow_clients import Event
from flow_system import SUMMED, summed
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from soak import examples

from service.journal.take import forget, take
from service.reconciliation.reconcile import reconcile
from service.settings import Settings
from service.totals.apply import DAYS, LIVE, apply_days, apply_live
from service.totals.counters import Counters

SOURCES = ("metro", "bus", "bike", "eats", "mall", "parcel")
# What one round of three people reports: rides over their caps (all alike, so that it makes no
# difference which of them are capped), an impossible one, and one of everything else.
ROUND = (
    *[(a_bus_ride, {})] * 14,
    *[(an_invoice, {})] * 12,
    (a_ride, {"distance_km": "500"}),
    (a_ride, {}), (a_bike_ride, {}), (a_box, {}), (an_order, {"sets": 2}),
)  # fmt: skip
PEOPLE = 3


def a_round() -> list[Event]:
    """The events of a round, by new people."""
    name = unique("round")
    return [
        make(data, subject=f"{name}-{person}") for person in range(PEOPLE) for make, data in ROUND
    ]


@st.composite
def deliveries(draw: st.DrawFn) -> list[list[int]]:
    """Batches of indexes in a round: each index at least once, in any order, some again."""
    count = PEOPLE * len(ROUND)
    indexes = draw(st.permutations(range(count)))
    again = draw(st.lists(st.integers(0, count - 1), max_size=30))
    mixed = draw(st.permutations([*indexes, *again]))
    batches, at = [], 0
    while at < len(mixed):
        size = draw(st.integers(1, 60))
        batches.append(mixed[at : at + size])
        at += max(1, size - draw(st.integers(0, 5)))  # the next one overlaps
    return batches


@pytest.fixture
async def own_settings(new_settings) -> Settings:
    return await new_settings()


def test_repeated_reordered_and_overlapping_batches_give_the_same_totals(
    own_settings: Settings,
) -> None:
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(running_app(own_settings, SteppedClock())) as app,
    ):

        @settings(
            max_examples=examples(12),
            suppress_health_check=list(HealthCheck),
        )
        @given(deliveries())
        def give_the_same(batches: list[list[int]]) -> None:
            once = portal.call(_added, app, a_round(), [list(range(PEOPLE * len(ROUND)))])

            assert portal.call(_added, app, a_round(), batches) == once

        give_the_same()
        assert portal.call(_broken_rules, app) == []


async def _added(app: FastAPI, events: Sequence[Event], batches: list[list[int]]) -> dict[str, Any]:
    """What sending the events in batches adds to the totals, and what each person then has."""
    partner = await a_partner(app.state.runtime.resources.sessions, name="acme", sources=SOURCES)
    async with client_of(app, partner.key) as client:
        await catch_up(app)
        before = summed((await client.get("/v1/totals")).json())
        for indexes in batches:
            batch = [events[index] for index in indexes]
            answer = await client.post("/v1/events", json=batch, headers=BATCH)
            assert answer.status_code == 200, answer.text
        await catch_up(app)
        after = summed((await client.get("/v1/totals")).json())
        people = sorted({event["subject"] for event in events})
        statements = [(await client.get(f"/v1/people/{name}")).json() for name in people]
        assert len({one.pop("person") for one in statements}) == len(people)
    return {
        "added": {name: after[name] - before[name] for name in SUMMED},
        "statements": statements,
    }


async def test_facts_without_projection_are_counted_after_a_crash(quiet_app: FastAPI) -> None:
    events = a_round()
    await _report(quiet_app, events[:40])
    await catch_up(quiet_app)

    await _report(quiet_app, events[40:])

    assert [rule for rule in await _broken_rules(quiet_app) if "applied" not in rule] != []
    await catch_up(quiet_app)
    assert await _broken_rules(quiet_app) == []


async def test_a_crash_between_counters_and_marks_counts_once(quiet_app: FastAPI) -> None:
    resources = quiet_app.state.runtime.resources
    counters = Counters(resources.valkey, resources.sessions)
    await catch_up(quiet_app)
    await _report(quiet_app, a_round())

    generation = await counters.generation()
    async with resources.sessions() as session:  # left without a commit, as a kill would
        rows = await take(session, LIVE)
        await counters.apply(generation, rows)
        await forget(session, LIVE, rows)
        await session.rollback()

    assert rows
    await catch_up(quiet_app)
    assert await _broken_rules(quiet_app) == []


async def test_a_crash_between_marks_and_settling_counts_once(quiet_app: FastAPI) -> None:
    resources = quiet_app.state.runtime.resources
    counters = Counters(resources.valkey, resources.sessions)
    await catch_up(quiet_app)
    await _report(quiet_app, a_round())

    generation = await counters.generation()
    async with resources.sessions() as session, session.begin():
        rows = await take(session, LIVE)
        await counters.apply(generation, rows)
        await forget(session, LIVE, rows)

    assert rows
    await _report(quiet_app, a_round())
    await catch_up(quiet_app)
    assert await _broken_rules(quiet_app) == []


async def test_a_crash_before_the_commit_of_daily_totals_counts_once(quiet_app: FastAPI) -> None:
    resources = quiet_app.state.runtime.resources
    await _report(quiet_app, a_round())

    async with resources.sessions() as session:
        assert await apply_days(session)
        await session.rollback()

    await catch_up(quiet_app)
    assert await _broken_rules(quiet_app) == []


async def test_two_workers_at_once_count_each_batch_once(quiet_app: FastAPI) -> None:
    resources = quiet_app.state.runtime.resources
    counters = Counters(resources.valkey, resources.sessions)
    await catch_up(quiet_app)
    for _ in range(3):
        await _report(quiet_app, a_round())

    async with resources.sessions() as slow, slow.begin():
        held = await take(slow, DAYS, limit=1)
        async with resources.sessions() as session, session.begin():
            assert await apply_days(session) >= 1
        assert held
    await apply_live(resources.sessions, counters, resources.clock)

    await catch_up(quiet_app)
    assert await _broken_rules(quiet_app) == []


async def _report(app: FastAPI, events: Sequence[Event]) -> None:
    partner = await a_partner(app.state.runtime.resources.sessions, name="acme", sources=SOURCES)
    async with client_of(app, partner.key) as client:
        for at in range(0, len(events), 25):
            batch = list(events[at : at + 25])
            (await client.post("/v1/events", json=batch, headers=BATCH)).raise_for_status()


async def _broken_rules(app: FastAPI) -> list[str]:
    resources = app.state.runtime.resources
    counters = Counters(resources.valkey, resources.sessions)
    checks = await reconcile(resources.sessions, counters)
    return [f"{check.rule}: {check.shown}" for check in checks if not check.holds]

"""The projections follow the journal, each row once, and heal whatever happens to Valkey."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import httpx
import pytest
from builders import (
    NOW,
    SOURCES,
    NewSettings,
    SteppedClock,
    a_partner,
    an_event,
    an_order,
    catch_up,
    client_of,
    report,
    report_all,
    running_app,
)
from fastapi import FastAPI
from sqlalchemy import event
from sqlalchemy.util import await_only

from service.intake.address import month_of
from service.intake.store import partition_name
from service.journal.take import take
from service.reconciliation.reconcile import reconcile
from service.reconciliation.store import sums_of_days
from service.totals import keys
from service.totals.apply import LIVE, apply_live
from service.totals.counters import Counters, CountersLost
from service.totals.rebuild import rebuild_days, rebuild_live
from workers.metrics import WorkerMetrics
from workers.months import open_months
from workers.projectors import Projectors


@pytest.fixture
async def app(new_settings: NewSettings) -> AsyncIterator[FastAPI]:
    """A programme of its own."""
    settings = await new_settings(projection_poll_seconds=0.02)
    async with running_app(settings, SteppedClock()) as running:
        yield running


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    sender = await a_partner(app.state.runtime.resources.sessions, sources=SOURCES)
    async with client_of(app, sender.key) as client:
        yield client


@pytest.fixture
def counters(app: FastAPI) -> Counters:
    resources = app.state.runtime.resources
    return Counters(resources.valkey, resources.sessions)


async def broken(app: FastAPI, counters: Counters) -> list[str]:
    checks = await reconcile(app.state.runtime.resources.sessions, counters)
    return [f"{check.rule}: {check.shown}" for check in checks if not check.holds]


async def test_what_is_committed_is_counted_in_both(
    app: FastAPI, client: httpx.AsyncClient, counters: Counters
) -> None:
    await catch_up(app)  # the first one makes the counters anew: rows that come later are applied
    await report_all(client, [an_event(), an_order(), an_event(evidencelevel="L0")])

    await catch_up(app)

    sums, as_of = await counters.read()
    assert sums.carbon().avoided_mg == 794592 + 12521
    assert sums.people == 3
    assert as_of == NOW
    assert await broken(app, counters) == []


async def test_a_row_is_counted_once_though_applied_twice(
    app: FastAPI, client: httpx.AsyncClient, counters: Counters
) -> None:
    await catch_up(app)
    await report(client, an_event())
    generation = await counters.generation()
    async with app.state.runtime.resources.sessions() as session, session.begin():
        rows = await take(session, LIVE)
        await counters.apply(generation, rows)
        await counters.apply(generation, rows)  # as after a crash before the mark was taken away

    await catch_up(app)

    assert await broken(app, counters) == []
    assert await app.state.runtime.resources.valkey.scard(keys.APPLIED) == 0


class Flushed(Counters):
    """Valkey loses everything right after one step."""

    def __init__(self, *args: object, step: str) -> None:
        super().__init__(*args)
        self._step = step

    async def _lose(self, step: str) -> None:
        if step == self._step:
            self._step = ""
            await self._valkey.flushall()
            await self._valkey.function_flush()

    async def generation(self) -> str:
        found = await super().generation()
        await self._lose("generation")
        return found

    async def apply(self, generation, rows) -> None:
        await super().apply(generation, rows)
        await self._lose("apply")

    async def settle(self, generation, moment, rows) -> None:
        await super().settle(generation, moment, rows)
        await self._lose("settle")

    async def replace(self, sums, moment, applied) -> None:
        await super().replace(sums, moment, applied)
        await self._lose("replace")


@pytest.mark.parametrize("step", ["generation", "apply", "settle", "replace"])
async def test_a_flush_at_any_step_loses_nothing(
    app: FastAPI, client: httpx.AsyncClient, counters: Counters, step: str
) -> None:
    resources = app.state.runtime.resources
    await report(client, an_event())
    await catch_up(app)
    await report_all(client, [an_order(), an_event()])
    flushed = Flushed(resources.valkey, resources.sessions, step=step)

    if step == "replace":
        await rebuild_live(resources.sessions, flushed, resources.clock)
    else:
        try:
            await apply_live(resources.sessions, flushed, resources.clock)
        except CountersLost:
            await rebuild_live(resources.sessions, flushed, resources.clock)
    await catch_up(app)

    assert await broken(app, counters) == []
    assert (await counters.read())[0].carbon().avoided_mg == 2 * 794592 + 12521


async def test_counters_of_another_run_of_the_server_are_rebuilt(
    app: FastAPI, client: httpx.AsyncClient, counters: Counters
) -> None:
    await report(client, an_event())
    await catch_up(app)
    valkey = app.state.runtime.resources.valkey
    generation = await counters.generation()
    await valkey.set(keys.GENERATION, generation.replace(await counters.run_id(), "f" * 40))
    await valkey.hset(keys.SUMS, keys.PEOPLE_FIELD, 7)  # an older copy

    with pytest.raises(CountersLost):
        await counters.generation()
    await catch_up(app)

    assert await broken(app, counters) == []


async def test_counters_of_another_programme_are_not_read(app: FastAPI, counters: Counters) -> None:
    await catch_up(app)
    await app.state.runtime.resources.valkey.set(keys.GENERATION, "another:programme:x")

    with pytest.raises(CountersLost):
        await counters.read()
    with pytest.raises(CountersLost):
        await counters.generation()


async def test_rebuilding_while_rows_are_applied_counts_each_once(
    app: FastAPI, client: httpx.AsyncClient, counters: Counters
) -> None:
    resources = app.state.runtime.resources
    await catch_up(app)

    async def send() -> None:
        for _ in range(15):
            await report(client, an_event())

    async def apply() -> None:
        for _ in range(15):
            await catch_up(app)

    async def rebuild() -> None:
        for _ in range(5):
            await rebuild_days(resources.sessions)
            await rebuild_live(resources.sessions, counters, resources.clock)

    await asyncio.gather(send(), apply(), apply(), rebuild())
    await catch_up(app)

    assert await broken(app, counters) == []
    assert (await counters.read())[0].carbon().avoided_mg == 15 * 794592


async def test_a_batch_that_commits_between_two_steps_of_a_rebuild_is_counted_once(
    app: FastAPI, client: httpx.AsyncClient, counters: Counters
) -> None:
    await report(client, an_event())
    await catch_up(app)
    steps: list[str] = []

    def commit_one_more(_: object, __: object, statement: str, *___: object) -> None:
        if "DELETE FROM" in statement:
            steps.append(statement)
            await_only(report(client, an_event()))

    engine = app.state.runtime.resources.engine.sync_engine
    event.listen(engine, "after_cursor_execute", commit_one_more)
    try:
        await rebuild_days(app.state.runtime.resources.sessions)
    finally:
        event.remove(engine, "after_cursor_execute", commit_one_more)
    await catch_up(app)

    assert len(steps) >= 2
    assert await broken(app, counters) == []


async def test_a_rebuild_from_the_journal_equals_what_was_counted(
    app: FastAPI, client: httpx.AsyncClient, counters: Counters
) -> None:
    results = await report_all(client, [an_event(), an_order(), an_event({"region": "FR"})])
    await client.post(f"/v1/actions/{results[0]['action_id']}/reversal", json={"reason": "fraud"})
    await catch_up(app)
    async with app.state.runtime.resources.sessions() as session:
        before = await sums_of_days(session)

    await rebuild_days(app.state.runtime.resources.sessions)

    async with app.state.runtime.resources.sessions() as session:
        after = await sums_of_days(session)
    assert after == before
    assert await broken(app, counters) == []


async def test_the_worker_follows_by_itself_and_heals_a_flush(
    app: FastAPI, client: httpx.AsyncClient, counters: Counters
) -> None:
    async def counted(expected_mg: int) -> None:
        while True:
            try:
                sums, _ = await counters.read()
                await counters.generation()
            except CountersLost:
                sums = None
            if sums is not None and sums.carbon().avoided_mg == expected_mg:
                return
            await asyncio.sleep(0.01)

    task = asyncio.create_task(Projectors(app.state.runtime.resources, WorkerMetrics()).run())
    try:
        await report(client, an_event())
        await counted(794592)
        await app.state.runtime.resources.valkey.flushall()
        await counted(794592)
        await report(client, an_order())
        await counted(794592 + 12521)
    finally:
        while not task.done():
            task.cancel()
            await asyncio.wait([task], timeout=1)


async def test_the_months_of_the_coming_weeks_are_ready(app: FastAPI) -> None:
    for _ in range(2):
        await open_months({"resources": app.state.runtime.resources})

    async with app.state.runtime.resources.pool.acquire() as connection:
        for ahead in (0, 31, 62):
            name = partition_name(month_of((NOW + timedelta(days=ahead)).date()))
            assert await connection.fetchval("SELECT to_regclass($1)", name)

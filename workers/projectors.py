"""The loops that keep the projections a moment behind the journal, and heal them."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime

from redis.exceptions import RedisError
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from service.clock import system_clock
from service.guards.store import active_holds
from service.guards.watch import load_plausible, watch
from service.journal.notify import JOURNAL_CHANNEL
from service.resources import Resources
from service.tasks import is_ending
from service.totals.apply import DAYS, LIVE, apply_days, apply_live
from service.totals.counters import Counters, CountersLost
from service.totals.rebuild import rebuild_live
from workers.metrics import WorkerMetrics

PAUSE_AFTER_FAULT_S = 0.5
PACE_S = 0.1  # many small commits are applied as one step; the promise is one second
PASSING = (DBAPIError, PoolTimeout, RedisError, OSError, TimeoutError)
_log = logging.getLogger(__name__)

Step = Callable[[], Awaitable[int]]


class Projectors:
    """One loop for each projection of the totals."""

    def __init__(self, resources: Resources, metrics: WorkerMetrics) -> None:
        self._resources = resources
        self._metrics = metrics
        self._counters = Counters(resources.valkey, resources.sessions)
        self._plausible = load_plausible()

    async def run(self) -> None:
        """Run until cancelled."""
        projection_loop = ProjectionLoop(self._resources, self._metrics)
        async with asyncio.TaskGroup() as group:
            group.create_task(
                projection_loop.run({"daily totals": self._days, "live totals": self._live})
            )
            if self._resources.settings.guard_seconds:
                group.create_task(self._guard())

    async def _days(self) -> int:
        async with self._resources.sessions() as session, session.begin():
            applied = await apply_days(session)
        self._metrics.applied(DAYS, applied)
        return applied

    async def _live(self) -> int:
        resources = self._resources
        try:
            applied = await apply_live(resources.sessions, self._counters, resources.clock)
        except CountersLost as lost:
            sums = await rebuild_live(resources.sessions, self._counters, resources.clock)
            _log.warning("live totals were rebuilt (%s): %s mg", lost, sums.carbon().avoided_mg)
            self._metrics.rebuilds.inc()
            return 1
        self._metrics.applied(LIVE, applied)
        return applied

    async def _guard(self) -> None:
        """Check the means of days that changed since the last look; the first looks at every day.

        Moves are made one journal row at a time, and the next one waits until this one is counted.
        """
        resources, since = self._resources, datetime.min.replace(year=2000, tzinfo=UTC)
        while not is_ending():
            looked, moved = system_clock(), 0  # as the database writes down when a total changed
            try:
                async with resources.sessions() as session, session.begin():
                    moved = await watch(
                        session, self._plausible, since=since, now=resources.clock()
                    )
                    self._metrics.holds.set(await active_holds(session))
                since = looked
                self._metrics.moved.inc(moved)
            except PASSING as fault:
                self._metrics.faults.labels("guard").inc()
                _log.warning("the guard pauses after: %r", fault)
            if moved:
                _log.warning("the guard moved %d cells of the totals: see `saxaul holds`", moved)
            await asyncio.sleep(PACE_S if moved else resources.settings.guard_seconds)


class ProjectionLoop:
    """Runs projection steps behind the journal: a pause after work, a wait for a hint without."""

    def __init__(self, resources: Resources, metrics: WorkerMetrics) -> None:
        self._resources = resources
        self._metrics = metrics
        self._wakes: list[asyncio.Event] = []

    async def run(self, steps: Mapping[str, Step]) -> None:
        """Run one loop for each step, named by its key, until the task is cancelled."""
        async with asyncio.TaskGroup() as group:
            for name, step in steps.items():
                group.create_task(self._loop(name, step))
            group.create_task(self._listen())

    async def _loop(self, name: str, step: Step) -> None:
        wake = asyncio.Event()
        self._wakes.append(wake)
        poll_s = self._resources.settings.projection_poll_seconds
        while not is_ending():
            try:
                if await step():
                    await asyncio.sleep(PACE_S)
                else:
                    async with asyncio.timeout(poll_s):
                        await wake.wait()
            except PASSING as fault:
                if not isinstance(fault, TimeoutError):
                    _log.warning("%s pause after: %r", name, fault)
                    self._metrics.faults.labels(name).inc()
                    await asyncio.sleep(PAUSE_AFTER_FAULT_S)
            wake.clear()

    async def _listen(self) -> None:
        """Wake the loops when a batch was committed; they look by themselves anyway."""
        while not is_ending():
            try:
                async with self._resources.valkey.pubsub() as channel:
                    await channel.subscribe(JOURNAL_CHANNEL)
                    while not is_ending():
                        if await channel.get_message(ignore_subscribe_messages=True, timeout=1.0):
                            for wake in self._wakes:
                                wake.set()
            except PASSING as fault:
                _log.debug("no notifications: %r", fault)
                await asyncio.sleep(PAUSE_AFTER_FAULT_S)

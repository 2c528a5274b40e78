"""The loops that keep the projections a moment behind the journal, and heal them."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping

from redis.exceptions import RedisError
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from service.journal.notify import JOURNAL_CHANNEL
from service.resources import Resources
from service.totals.apply import apply_days, apply_live
from service.totals.counters import Counters, CountersLost
from service.totals.rebuild import rebuild_live

PAUSE_AFTER_FAULT_S = 0.5
PACE_S = 0.1  # many small commits are applied as one step; the promise is one second
PASSING = (DBAPIError, PoolTimeout, RedisError, OSError, TimeoutError)
_log = logging.getLogger(__name__)

Step = Callable[[], Awaitable[int]]


class Projectors:
    """One loop for each projection of the totals."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources
        self._counters = Counters(resources.valkey, resources.sessions)

    async def run(self) -> None:
        """Run until cancelled."""
        steps = {"daily totals": self._days, "live totals": self._live}
        await Follower(self._resources).run(steps)

    async def _days(self) -> int:
        async with self._resources.sessions() as session, session.begin():
            return await apply_days(session)

    async def _live(self) -> int:
        resources = self._resources
        try:
            return await apply_live(resources.sessions, self._counters, resources.clock)
        except CountersLost as lost:
            sums = await rebuild_live(resources.sessions, self._counters, resources.clock)
            _log.warning("live totals were rebuilt (%s): %s mg", lost, sums.carbon().avoided_mg)
            return 1


class Follower:
    """Runs steps behind the journal: after work a short pace, without work until a hint."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources
        self._wakes: list[asyncio.Event] = []

    async def run(self, steps: Mapping[str, Step]) -> None:
        """A loop for each step, by its name, until cancelled."""
        async with asyncio.TaskGroup() as group:
            for name, step in steps.items():
                group.create_task(self._loop(name, step))
            group.create_task(self._listen())

    async def _loop(self, name: str, step: Step) -> None:
        wake = asyncio.Event()
        self._wakes.append(wake)
        poll_s = self._resources.settings.projection_poll_seconds
        while True:
            try:
                if await step():
                    await asyncio.sleep(PACE_S)
                else:
                    await asyncio.wait_for(wake.wait(), poll_s)
            except PASSING as fault:
                if not isinstance(fault, TimeoutError):
                    _log.warning("%s pause after: %r", name, fault)
                    await asyncio.sleep(PAUSE_AFTER_FAULT_S)
            wake.clear()

    async def _listen(self) -> None:
        """Wake the loops when a batch was committed; they look by themselves anyway."""
        while True:
            try:
                async with self._resources.valkey.pubsub() as channel:
                    await channel.subscribe(JOURNAL_CHANNEL)
                    while True:
                        if await channel.get_message(ignore_subscribe_messages=True, timeout=1.0):
                            for wake in self._wakes:
                                wake.set()
            except PASSING as fault:
                _log.debug("no notifications: %r", fault)
                await asyncio.sleep(PAUSE_AFTER_FAULT_S)

"""The loop that settles meetings of reports: a claim has one credited action within a second."""

import asyncio
import logging
from functools import cache, partial

from service.actions.meetings import Met, read_catalogue, settle, waiting
from service.resources import Resources
from service.tasks import is_ending
from workers.metrics import WorkerMetrics
from workers.projectors import PASSING, PAUSE_AFTER_FAULT_S

CHUNK = 200
_log = logging.getLogger(__name__)


class Meetings:
    """Settles what waits, of one environment."""

    def __init__(self, resources: Resources, metrics: WorkerMetrics) -> None:
        self._resources = resources
        self._metrics = metrics
        # Read when the first meeting is there: most workers start without one.
        self._catalogue = cache(partial(read_catalogue, resources))

    async def run(self) -> None:
        """Run until cancelled."""
        poll_s = self._resources.settings.projection_poll_seconds
        while not is_ending():
            settled = 0
            try:
                settled = await self.step()
            except PASSING as fault:
                self._metrics.faults.labels("meetings").inc()
                _log.warning("meetings pause after: %r", fault)
                await asyncio.sleep(PAUSE_AFTER_FAULT_S)
            if not settled:
                await asyncio.sleep(poll_s)

    async def step(self) -> int:
        """Settle a chunk of what waits, and return how many meetings were settled."""
        async with self._resources.sessions() as session:
            found = await waiting(session, CHUNK)
        return sum([await self._settle(met) for met in found])

    async def _settle(self, met: Met) -> bool:
        """Settle one meeting. An action that does not recompute must not keep others waiting."""
        try:
            async with self._resources.sessions() as session, session.begin():
                return await settle(
                    session, met, catalogue=self._catalogue, now=self._resources.clock()
                )
        except AssertionError:
            self._metrics.faults.labels("meetings").inc()
            _log.exception("the meeting of %s and %s stays", met.action_id, met.holder_id)
            return False

"""The loops that make deliveries out of the journal and send them; the sweep of old ones."""

import asyncio
import logging
from collections import Counter
from datetime import timedelta
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from service.acting import Actor, acting
from service.audit.record import audit
from service.partners.person_key import hasher_of
from service.resources import Resources
from service.tasks import is_ending
from service.webhooks.outbound.deliver import IN_FLIGHT_MAX, Deliverer
from service.webhooks.outbound.endpoint import stop_unanswered
from service.webhooks.outbound.projector import apply_notices
from service.webhooks.outbound.retention import sweep
from service.webhooks.outbound.send import open_sender
from service.webhooks.outbound.watch import count_attempts
from service.webhooks.vault import vault_of
from workers.metrics import WorkerMetrics
from workers.projectors import PASSING, ProjectionLoop

_log = logging.getLogger(__name__)

KEYS_EVERY_S = 5.0
SWEEPS_MAX = 1_000  # of one job; the next one goes on


class Deliveries:
    """Both loops of one worker; several workers share the work."""

    def __init__(
        self,
        resources: Resources,
        metrics: WorkerMetrics,
        registry: async_sessionmaker[AsyncSession],
    ) -> None:
        """`registry` opens sessions over keys, which are the same for live and test endpoints."""
        self._resources = resources
        self._metrics = metrics
        self._registry = registry
        # Without their keys the worker does not start.
        self._vault = vault_of(resources.settings)
        self._hasher = hasher_of(resources.settings)

    async def run(self) -> None:
        """Run until cancelled."""
        resources, settings = self._resources, self._resources.settings
        async with open_sender(
            resources.clock,
            loopback=settings.webhook_loopback,
            timeout_s=settings.webhook_timeout_seconds,
            connections=IN_FLIGHT_MAX,
        ) as sender:
            deliverer = Deliverer(resources, sender, self._vault, self._counted)

            async def step() -> int:
                applied = await self._apply()
                if applied:
                    deliverer.poke()
                return applied

            async with asyncio.TaskGroup() as group:
                group.create_task(deliverer.run())
                group.create_task(self._watch_keys())
                group.create_task(ProjectionLoop(resources, self._metrics).run({"webhooks": step}))

    async def _apply(self) -> int:
        resources = self._resources
        kept = timedelta(days=resources.settings.webhook_retention_days)
        async with resources.sessions() as session, session.begin():
            return await apply_notices(session, self._hasher, now=resources.clock(), kept=kept)

    async def _watch_keys(self) -> None:
        """Stop endpoints whose key was revoked or has expired, until cancelled."""
        while not is_ending():
            try:
                await stop_endpoints(self._resources, self._registry)
            except PASSING as fault:
                _log.warning("looking for revoked keys pauses after: %r", fault)
            await asyncio.sleep(KEYS_EVERY_S)

    async def _counted(self, results: Counter[str]) -> None:
        await count_attempts(self._resources, results)


async def stop_endpoints(resources: Resources, registry: async_sessionmaker[AsyncSession]) -> None:
    """Stop endpoints that no live key answers for. Idempotent."""
    now = resources.clock()
    with acting(Actor("worker", "deliveries")):
        async with registry() as keys, resources.sessions() as session, session.begin():
            for endpoint in await stop_unanswered(session, keys, now=now):
                await audit(session, "endpoint.stopped", f"endpoint:{endpoint}", now=now)


async def sweep_deliveries(ctx: dict[str, Any]) -> None:
    """Job: give up and forget old deliveries. Idempotent."""
    resources: Resources = ctx["resources"]
    kept = timedelta(days=resources.settings.webhook_retention_days)
    for _ in range(SWEEPS_MAX):
        async with resources.sessions() as session, session.begin():
            swept = await sweep(session, now=resources.clock(), kept=kept)
        if not swept:
            return

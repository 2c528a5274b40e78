"""The loop that sends: take what is due, try it, write down what came of it.

Slots bound what is in flight, in all and for each endpoint, and a slot is free again only when its
attempt is written down. So one slow endpoint fills its own slots and no others, and memory stays
bounded while the database is away.
"""

import asyncio
import logging
import random
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from functools import lru_cache
from uuid import UUID

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncSession

from service.resources import Resources
from service.webhooks.outbound import store
from service.webhooks.outbound.endpoint import about, tell_disabled
from service.webhooks.outbound.schedule import (
    DISABLE_AFTER,
    OPEN_FIRST_S,
    OPEN_MAX_S,
    TRIP_FAILURES,
    retry_at,
)
from service.webhooks.outbound.send import OK, SECRET, Answer, Sender
from service.webhooks.vault import SealBroken, Vault

IN_FLIGHT_MAX = 500
IN_FLIGHT_PER_ENDPOINT = 50
ROOM_SHARE = 4  # the fuller we are the less one endpoint may add, so that there is always room
LEASE_TIMEOUTS = 4  # a lease outlives the longest attempt by far, and a dead sender not for long
RECORDED_AT_ONCE = 200
PAUSE_AFTER_FAULT_S = 0.5
GONE = 410
PAUSING = (429, 503)  # with Retry-After these speak for the endpoint, not for one delivery
OPENED_SECRETS_MAX = 4096
PASSING = (DBAPIError, PoolTimeout, OSError)

_log = logging.getLogger(__name__)

Counted = Callable[[Counter[str]], Awaitable[None]]


class Deliverer:
    """Sends what is due until it is cancelled; several may run, on several machines."""

    def __init__(
        self, resources: Resources, sender: Sender, vault: Vault, counted: Counted
    ) -> None:
        """`counted` is told how many attempts had which result."""
        self._resources = resources
        self._sender = sender
        self._counted = counted
        self._lease_s = resources.settings.webhook_timeout_seconds * LEASE_TIMEOUTS
        self._busy: Counter[UUID] = Counter()
        self._done: asyncio.Queue[tuple[store.Leased, Answer]] = asyncio.Queue()
        self._wake = asyncio.Event()
        self._open = lru_cache(OPENED_SECRETS_MAX)(vault.open)

    def poke(self) -> None:
        """There may be something to send."""
        self._wake.set()

    async def run(self) -> None:
        """Take, send and write down until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._record())
            group.create_task(self._take(group))

    async def _take(self, group: asyncio.TaskGroup) -> None:
        poll_s = self._resources.settings.projection_poll_seconds
        while True:
            self._wake.clear()
            taken: list[store.Leased] = []
            room = IN_FLIGHT_MAX - self._busy.total()
            if room > 0:
                try:
                    taken = await self._lease(room)
                except PASSING as fault:
                    _log.warning("taking deliveries pauses after: %r", fault)
                    await asyncio.sleep(PAUSE_AFTER_FAULT_S)
            for delivery in taken:
                self._busy[delivery.endpoint_id] += 1
                group.create_task(self._send(delivery))
            if not taken:
                try:
                    await asyncio.wait_for(self._wake.wait(), poll_s)
                except TimeoutError:
                    continue

    async def _lease(self, room: int) -> list[store.Leased]:
        now = self._resources.clock()
        async with self._resources.sessions() as session, session.begin():
            return await store.lease(
                session,
                busy=dict(self._busy),
                cap=max(1, min(IN_FLIGHT_PER_ENDPOINT, room // ROOM_SHARE)),
                limit=max(1, room // 2),
                now=now,
                until=now + timedelta(seconds=self._lease_s),
            )

    async def _send(self, delivery: store.Leased) -> None:
        whose, sealed = about(delivery.endpoint_id), (delivery.sealed, delivery.old_sealed)
        try:
            secrets = [self._open(one, whose) for one in sealed if one is not None]
        except SealBroken as fault:
            _log.error("%s", fault)
            why = "Nothing was sent: its secret does not open here. Tell the operator."
            answer = Answer(self._resources.clock(), 0, SECRET, None, why, None, 0)
        else:
            answer = await self._sender.send(
                delivery.url, secrets, message_id=str(delivery.delivery_id), body=delivery.body
            )
        self._done.put_nowait((delivery, answer))

    async def _record(self) -> None:
        """Write down what is done, as much as there is at once; tried again until it is written."""
        while True:
            done = [await self._done.get()]
            while len(done) < RECORDED_AT_ONCE and not self._done.empty():
                done.append(self._done.get_nowait())
            while True:
                try:
                    async with self._resources.sessions() as session, session.begin():
                        await self._settle(session, done)
                    break
                except PASSING as fault:
                    _log.warning("%d attempts wait to be written: %r", len(done), fault)
                    await asyncio.sleep(PAUSE_AFTER_FAULT_S)
            self._busy -= Counter(delivery.endpoint_id for delivery, _ in done)
            self._wake.set()
            await self._counted(Counter(answer.result for _, answer in done))

    async def _settle(
        self, session: AsyncSession, done: Sequence[tuple[store.Leased, Answer]]
    ) -> None:
        now = self._resources.clock()
        settled = []
        answers: dict[UUID, list[Answer]] = defaultdict(list)
        for delivery, answer in done:
            answers[delivery.endpoint_id].append(answer)
            state, due_at = store.DELIVERED, None
            if answer.result != OK:
                tries = delivery.number - delivery.earlier
                due_at = retry_at(tries, now=now, wait_s=answer.wait_s, random=random.random)
                state = store.FAILED if due_at is None else store.WAITING
            settled.append(store.Settled(delivery, *answer[:6], state=state, due_at=due_at))
        await store.keep_attempts(session, settled, now)
        well = sorted(e for e, found in answers.items() if any(one.result == OK for one in found))
        if well:
            await store.close_breakers(session, well)
        for endpoint in sorted(answers):
            failed = [one for one in answers[endpoint] if one.result != OK]
            if failed:
                counts = 0 if endpoint in well else len(failed)
                await self._judge(session, endpoint, failed, counts)

    async def _judge(
        self, session: AsyncSession, endpoint: UUID, failed: Sequence[Answer], counts: int
    ) -> None:
        """Open the endpoint's breaker, or disable it; `counts` of the failures came in a row."""
        now = self._resources.clock()
        if any(answer.status == GONE for answer in failed):
            await self._disable(session, endpoint, "It answered 410 Gone: it wants no more.")
            return
        since = await store.count_failures(
            session,
            endpoint,
            failures=counts,
            threshold=TRIP_FAILURES,
            first_s=OPEN_FIRST_S,
            most_s=OPEN_MAX_S,
            jitter=random.uniform(0.5, 1.0),
            wait_s=max((one.wait_s for one in failed if one.status in PAUSING), default=0),
            now=now,
        )
        if since is not None and now - since >= DISABLE_AFTER:
            last = failed[-1].error
            await self._disable(
                session, endpoint, f"No attempt since {since:%Y-%m-%d %H:%M} UTC worked. {last}"
            )

    async def _disable(self, session: AsyncSession, endpoint: UUID, reason: str) -> None:
        now = self._resources.clock()
        row = await store.disable(session, endpoint, reason, now)
        if row is not None:
            _log.warning("endpoint %s of %s is disabled: %s", endpoint, row["partner"], reason)
            await tell_disabled(session, row, reason, now)

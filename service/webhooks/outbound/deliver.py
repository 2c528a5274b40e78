"""The loop that sends: take what is due, try it, write down what came of it.

Slots bound what is in flight for each endpoint, so one slow endpoint fills its own and no others.
What was taken counts against a whole until its attempt is written down, so memory stays bounded
while the database is away. Taking and writing go by the batch, a statement each: alone they would
cost more than the sending.
"""

import asyncio
import logging
import random
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import timedelta
from functools import lru_cache
from itertools import count
from uuid import UUID

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncSession

from service.intake import lane
from service.resources import Resources
from service.tasks import is_ending
from service.webhooks.outbound import store
from service.webhooks.outbound.attempt import OK, SECRET, Answer
from service.webhooks.outbound.endpoint import about, log_disabled
from service.webhooks.outbound.schedule import (
    DISABLE_AFTER,
    OPEN_FIRST_S,
    OPEN_MAX_S,
    TRIP_FAILURES,
    retry_at,
)
from service.webhooks.outbound.send import Sender
from service.webhooks.vault import SealBroken, Vault

IN_FLIGHT_MAX = 500  # taken and not yet written down
IN_FLIGHT_PER_ENDPOINT = 50
REFILL_AT = (IN_FLIGHT_PER_ENDPOINT // 2, 0)  # an endpoint has room for many again, or is idle
LIMIT_SHARE = 2  # the fuller we are the less one endpoint may add, so that there is always room
LEASE_TIMEOUTS = 4  # a lease outlives the longest attempt by far, and a dead sender not for long
RECORD_PACE_S = 0.05  # attempts that end in this time are written down together
PAUSE_AFTER_FAULT_S = 0.5
LAST_TRIES = 5  # to write down, when we are stopped
GONE = 410
PAUSING = (429, 503)  # with Retry-After these speak for the endpoint, not for one delivery
OPENED_SECRETS_MAX = 4096
PASSING = (DBAPIError, PoolTimeout, *lane.PASSING)

_log = logging.getLogger(__name__)

Counted = Callable[[Counter[str]], Awaitable[None]]


class Deliverer:
    """Sends what is due until it is cancelled; several may run, on several machines."""

    def __init__(
        self, resources: Resources, sender: Sender, vault: Vault, counted: Counted
    ) -> None:
        """`counted` is called with the number of attempts by result."""
        self._resources = resources
        self._sender = sender
        self._counted = counted
        self._lease_s = resources.settings.webhook_timeout_seconds * LEASE_TIMEOUTS
        self._busy: Counter[UUID] = Counter()
        self._taken = 0
        self._done: asyncio.Queue[tuple[store.Leased, Answer]] = asyncio.Queue()
        self._wake = asyncio.Event()
        self._open = lru_cache(OPENED_SECRETS_MAX)(vault.open)

    def poke(self) -> None:
        """Wake the loop: there may be something to send."""
        self._wake.set()

    async def run(self) -> None:
        """Take, send and write down until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._record())
            group.create_task(self._take(group))

    async def _take(self, group: asyncio.TaskGroup) -> None:
        poll_s = self._resources.settings.projection_poll_seconds
        while not is_ending():
            self._wake.clear()
            limit = (IN_FLIGHT_MAX - self._taken + 1) // 2
            if limit and len(await self._start(group, limit)) == limit:
                continue
            with suppress(TimeoutError):
                async with asyncio.timeout(poll_s):
                    await self._wake.wait()

    async def _start(self, group: asyncio.TaskGroup, limit: int) -> list[store.Leased]:
        try:
            taken = await self._lease(limit)
        except PASSING as fault:
            _log.warning("taking deliveries pauses after: %r", fault)
            await asyncio.sleep(PAUSE_AFTER_FAULT_S)
            return []
        if is_ending():  # they are sent once their lease is over
            return []
        for delivery in taken:
            self._taken += 1
            self._busy[delivery.endpoint_id] += 1
            group.create_task(self._send(delivery))
        return taken

    async def _lease(self, limit: int) -> list[store.Leased]:
        now = self._resources.clock()
        async with self._resources.pool.acquire() as connection:
            return await store.lease(
                connection,
                busy=dict(self._busy),
                cap=max(1, min(IN_FLIGHT_PER_ENDPOINT, limit // LIMIT_SHARE)),
                limit=limit,
                now=now,
                until=now + timedelta(seconds=self._lease_s),
            )

    async def _send(self, delivery: store.Leased) -> None:
        purpose, sealed = about(delivery.endpoint_id), (delivery.sealed, delivery.old_sealed)
        try:
            secrets = [self._open(one, purpose) for one in sealed if one is not None]
        except SealBroken as fault:
            _log.error("%s", fault)
            why = "Nothing was sent: its secret does not open here. Tell the operator."
            answer = Answer(self._resources.clock(), 0, SECRET, None, why, None, 0)
        else:
            answer = await self._sender.send(
                delivery.url, secrets, message_id=str(delivery.delivery_id), body=delivery.body
            )
        if answer.result == OK:  # a failure keeps its slot until the breaker knows of it
            self._free(delivery.endpoint_id)
        self._done.put_nowait((delivery, answer))

    def _free(self, endpoint: UUID) -> None:
        self._busy[endpoint] -= 1
        if self._busy[endpoint] in REFILL_AT:
            self._wake.set()
        if not self._busy[endpoint]:
            del self._busy[endpoint]

    async def _record(self) -> None:
        """Write down all attempts that are done, in one statement a batch."""
        while not is_ending():
            done = [await self._done.get()]
            try:
                await asyncio.sleep(RECORD_PACE_S)
            finally:  # also when we are stopped: what was taken need not be sent again
                while not self._done.empty():
                    done.append(self._done.get_nowait())
                await self._settle(done)
            self._taken -= len(done)
            for delivery, answer in done:
                if answer.result != OK:
                    self._free(delivery.endpoint_id)
            self._wake.set()
            await self._counted(Counter(answer.result for _, answer in done))

    async def _settle(self, done: Sequence[tuple[store.Leased, Answer]]) -> None:
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
        well = sorted(e for e, found in answers.items() if any(one.result == OK for one in found))
        failed = {
            endpoint: [one for one in answers[endpoint] if one.result != OK]
            for endpoint in sorted(answers)
        }

        async def keep() -> None:
            async with self._resources.pool.acquire() as connection:
                await store.keep_attempts(connection, settled, well=well, now=now)

        async def judge() -> None:
            async with self._resources.sessions() as session, session.begin():
                for endpoint, found in failed.items():
                    if found:
                        counts = 0 if endpoint in well else len(found)
                        await self._judge(session, endpoint, found, counts)

        await _until_written(keep, len(done))
        if any(failed.values()):
            await _until_written(judge, len(done))

    async def _judge(
        self, session: AsyncSession, endpoint: UUID, failed: Sequence[Answer], counts: int
    ) -> None:
        """Count failures in a row; open the endpoint's breaker or disable it by their number."""
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
            await log_disabled(session, row, reason, now)


async def _until_written(work: Callable[[], Awaitable[None]], attempts: int) -> None:
    """Repeat a write of attempts until it succeeds: nothing but this memory knows them.

    A process that stops repeats it a few times; what is unwritten is sent again after its lease.
    """
    for number in count(1):
        try:
            await work()
        except PASSING as fault:
            _log.warning("%d attempts wait to be written: %r", attempts, fault)
            if is_ending() and number >= LAST_TRIES:
                return
            await asyncio.sleep(PAUSE_AFTER_FAULT_S)
        else:
            return

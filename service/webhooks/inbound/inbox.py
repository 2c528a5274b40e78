"""The inbox: which messages came in and what was answered, for many messages at once.

A message is claimed before it is processed and settled after: both are group commits, as the
lanes' are. A process that dies between the two leaves an open message; sent again, it is processed
again, and its events are found to be repeats.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Generic, TypeVar
from uuid import UUID

import asyncpg

from service.errors import DatabaseAway
from service.intake.lane import PASSING
from service.partners.person import bucket_of

BATCH_MAX = 500
QUARANTINE_ROWS_MAX = 1_000  # of one connector; the oldest payloads go first
QUARANTINE_BYTES_MAX = 64 * 1024 * 1024
TRIES = 3
PAUSE_S = 0.1

OPEN, ACCEPTED, QUARANTINED, REJECTED = "open", "accepted", "quarantined", "rejected"

# Nothing is lost with the last moments of a claim or an answer: an open message is simply processed
# again. A payload in quarantine waits for the disk.
_CLAIM = """
    WITH relaxed AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', true))
    INSERT INTO hook_delivery (bucket, connector_id, message_key, delivery_id, digest, size_bytes,
                               received_at, state)
    SELECT message.*, 'open'
    FROM relaxed CROSS JOIN unnest($1::int2[], $2::text[], $3::text[], $4::uuid[], $5::bytea[],
                                   $6::int4[], $7::timestamptz[]) AS message
    ON CONFLICT DO NOTHING RETURNING delivery_id
"""
_FOUND = """
    SELECT stored.bucket, stored.connector_id, stored.message_key, stored.delivery_id,
           stored.digest, stored.state, stored.status, stored.answer
    FROM unnest($1::int2[], $2::text[], $3::text[]) AS input(bucket, connector_id, message_key)
    CROSS JOIN LATERAL (
        SELECT * FROM hook_delivery AS delivery
        WHERE delivery.bucket = input.bucket AND delivery.connector_id = input.connector_id
          AND delivery.message_key = input.message_key OFFSET 0
    ) AS stored
"""
_SETTLE = """
    WITH relaxed AS MATERIALIZED (
        SELECT CASE WHEN array_remove($8::bytea[], NULL) = '{}'
                    THEN set_config('synchronous_commit', 'off', true) END
    ), pointed AS (
        INSERT INTO hook_event (bucket, source, event_id, action_id)
        SELECT * FROM unnest($9::int2[], $10::text[], $11::text[], $12::uuid[])
        ON CONFLICT (bucket, source, event_id) DO UPDATE SET action_id = excluded.action_id
    )
    UPDATE hook_delivery AS delivery SET state = done.state, status = done.status,
        answer = done.answer, version = done.version, payload = done.payload
    FROM relaxed CROSS JOIN unnest($1::int2[], $2::text[], $3::text[], $4::text[], $5::int2[],
                                   $6::bytea[], $7::int4[], $8::bytea[])
         AS done(bucket, connector_id, message_key, state, status, answer, version, payload)
    WHERE delivery.bucket = done.bucket AND delivery.connector_id = done.connector_id
      AND delivery.message_key = done.message_key
"""
_REJECT = """
    INSERT INTO hook_delivery (bucket, connector_id, message_key, delivery_id, digest, size_bytes,
                               received_at, state, status, answer)
    VALUES ($1, $2, $3, $4, '', $5, $6, 'rejected', $7, $8)
    ON CONFLICT DO NOTHING
"""
_SHRINK = """
    UPDATE hook_delivery AS delivery SET payload = NULL
    FROM (
        SELECT bucket, connector_id, message_key,
               row_number() OVER newest AS rank, sum(length(payload)) OVER newest AS bytes
        FROM hook_delivery WHERE connector_id = $1 AND payload IS NOT NULL
        WINDOW newest AS (ORDER BY delivery_id DESC)
    ) AS kept
    WHERE delivery.bucket = kept.bucket AND delivery.connector_id = kept.connector_id
      AND delivery.message_key = kept.message_key AND (rank > $2 OR bytes > $3)
"""

In = TypeVar("In")
Out = TypeVar("Out")


@dataclass(frozen=True, slots=True)
class Message:
    """A verified message, as far as the inbox knows it."""

    connector_id: str
    key: str
    delivery_id: UUID
    digest: bytes
    size_bytes: int
    received_at: datetime

    @property
    def row_key(self) -> tuple[int, str, str]:
        """The key of the message's row: bucket, connector, message key."""
        return row_key_of(self.connector_id, self.key)


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """What is recorded of a message: a first attempt is open and has its own delivery id."""

    delivery_id: UUID
    digest: bytes
    state: str
    status: int | None
    answer: bytes | None


@dataclass(frozen=True, slots=True)
class SettledMessage:
    """What became of a message; `pointers` are (source, event id, action) for later reversals."""

    row_key: tuple[int, str, str]
    state: str
    status: int
    answer: bytes
    version: int
    payload: bytes | None
    pointers: Sequence[tuple[str, str, UUID]] = ()


def message_bucket(connector_id: str, key: str) -> int:
    """Return the bucket of a message's row."""
    return bucket_of(sha256(f"{connector_id}\0{key}".encode()).digest())


def row_key_of(connector_id: str, key: str) -> tuple[int, str, str]:
    """Return the key of a message's row."""
    return message_bucket(connector_id, key), connector_id, key


def event_bucket(source: str, event_id: str) -> int:
    """Return the bucket of an event's pointer to its action."""
    return bucket_of(sha256(f"{source}\0{event_id}".encode()).digest())


class Batcher(Generic[In, Out]):
    """Does the work of many callers at once: while one batch is done, the next one fills up."""

    def __init__(self, work: Callable[[list[In]], Awaitable[list[Out]]]) -> None:
        self._work = work
        self._waiting: list[tuple[In, asyncio.Future[Out]]] = []
        self._task: asyncio.Task[None] | None = None

    async def __call__(self, one: In) -> Out:
        """Return the result of `one`. Raises what the work of its batch raises."""
        result: asyncio.Future[Out] = asyncio.get_running_loop().create_future()
        self._waiting.append((one, result))
        if self._task is None:
            self._task = asyncio.create_task(self._run())
        return await result

    async def _run(self) -> None:
        while self._waiting:
            taken, self._waiting = self._waiting[:BATCH_MAX], self._waiting[BATCH_MAX:]
            outcome: list[Out] | Exception
            try:
                outcome = await self._work([one for one, _ in taken])
            except Exception as error:
                outcome = error
            for index, (_, result) in enumerate(taken):
                if result.done():  # the caller has gone
                    continue
                if isinstance(outcome, Exception):
                    result.set_exception(outcome)
                else:
                    result.set_result(outcome[index])
        self._task = None


class Inbox:
    """Claims and settles the messages of one environment; raises DatabaseAway in an outage."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        self.claim: Batcher[Message, StoredMessage] = Batcher(self._claim)
        self.settle: Batcher[SettledMessage, None] = Batcher(self._settle)

    async def _claim(self, messages: list[Message]) -> list[StoredMessage]:
        """Record new messages, and return for each message what is recorded of it."""
        ordered = sorted(messages, key=lambda message: message.row_key)
        made = await self._fetch(
            _CLAIM,
            *_columns([message.row_key for message in ordered]),
            [one.delivery_id for one in ordered],
            [one.digest for one in ordered],
            [one.size_bytes for one in ordered],
            [one.received_at for one in ordered],
        )
        new = {row[0] for row in made}
        old = [one.row_key for one in ordered if one.delivery_id not in new]
        rows = await self._fetch(_FOUND, *_columns(old)) if old else ()
        found = {tuple(row[:3]): StoredMessage(*row[3:]) for row in map(tuple, rows)}
        return [
            StoredMessage(one.delivery_id, one.digest, OPEN, None, None)
            if one.delivery_id in new
            else found[one.row_key]
            for one in messages
        ]

    async def _settle(self, settled: list[SettledMessage]) -> list[None]:
        ordered = sorted(settled, key=lambda one: one.row_key)
        pointers = {one[:2]: one[2] for message in ordered for one in message.pointers}
        keys = sorted((event_bucket(*key), *key) for key in pointers)
        await self._fetch(
            _SETTLE,
            *_columns([one.row_key for one in ordered]),
            [one.state for one in ordered],
            [one.status for one in ordered],
            [one.answer for one in ordered],
            [one.version for one in ordered],
            [one.payload for one in ordered],
            *_columns(keys),
            [pointers[key[1:]] for key in keys],
        )
        for connector in sorted({one.row_key[1] for one in ordered if one.payload is not None}):
            await self._fetch(_SHRINK, connector, QUARANTINE_ROWS_MAX, QUARANTINE_BYTES_MAX)
        return [None] * len(settled)

    async def reject(
        self,
        connector: str,
        delivery: UUID,
        *,
        size: int,
        now: datetime,
        status: int,
        answer: bytes,
    ) -> None:
        """Record that a message was turned away; its body is not kept."""
        key = f"rejected {delivery}"
        bucket = message_bucket(connector, key)
        await self._fetch(_REJECT, bucket, connector, key, delivery, size, now, status, answer)

    async def _fetch(self, statement: str, *values: object) -> Sequence[asyncpg.Record]:
        """Run a statement in a transaction of its own; repeat it after a fault, up to TRIES."""
        for _ in range(TRIES):
            try:
                async with self._pool.acquire() as connection:
                    found: list[asyncpg.Record] = await connection.fetch(statement, *values)
                    return found
            except PASSING as error:
                fault = error
                await asyncio.sleep(PAUSE_S)
        raise DatabaseAway(
            "The database does not answer. Send the same message again: what was recorded is not "
            "counted twice."
        ) from fault


def _columns(row_keys: Sequence[tuple[int, str, str]]) -> tuple[list[object], ...]:
    return tuple([key[at] for key in row_keys] for at in range(3))

"""Which messages came in, and what was answered. Written for many messages at once.

A message is claimed before it is processed and settled after: both are group commits, as the
lanes' are. A process that dies between the two leaves an open message; sent again, it is processed
again, and its events are recognised as repeats.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Generic, TypeVar
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from service.partners.people import bucket_of

BATCH_MAX = 500
QUARANTINE_ROWS_MAX = 1_000  # of one connector; the oldest payloads go first
QUARANTINE_BYTES_MAX = 64 * 1024 * 1024

OPEN, ACCEPTED, QUARANTINED, REJECTED = "open", "accepted", "quarantined", "rejected"

_CLAIM = text("""
    INSERT INTO hook_delivery (bucket, connector_id, message_key, delivery_id, digest, size_bytes,
                               received_at, state)
    SELECT bucket, connector_id, message_key, delivery_id, digest, size_bytes, received_at, 'open'
    FROM unnest(CAST(:buckets AS int2[]), CAST(:connectors AS text[]), CAST(:keys AS text[]),
                CAST(:ids AS uuid[]), CAST(:digests AS bytea[]), CAST(:sizes AS int4[]),
                CAST(:times AS timestamptz[]))
         AS new(bucket, connector_id, message_key, delivery_id, digest, size_bytes, received_at)
    ON CONFLICT DO NOTHING RETURNING delivery_id
""")
_FOUND = text("""
    SELECT given.bucket, given.connector_id, given.message_key, had.delivery_id, had.digest,
           had.state, had.status, had.answer
    FROM unnest(CAST(:buckets AS int2[]), CAST(:connectors AS text[]), CAST(:keys AS text[]))
         AS given(bucket, connector_id, message_key)
    CROSS JOIN LATERAL (
        SELECT * FROM hook_delivery AS delivery
        WHERE delivery.bucket = given.bucket AND delivery.connector_id = given.connector_id
          AND delivery.message_key = given.message_key OFFSET 0
    ) AS had
""")
# Nothing is lost with the last moments of these: an open message is simply processed again.
_RELAXED = text("SET LOCAL synchronous_commit TO off")
_SETTLE = text("""
    UPDATE hook_delivery AS delivery SET state = done.state, status = done.status,
        answer = done.answer, version = done.version, payload = done.payload
    FROM unnest(CAST(:buckets AS int2[]), CAST(:connectors AS text[]), CAST(:keys AS text[]),
                CAST(:states AS text[]), CAST(:statuses AS int2[]), CAST(:answers AS bytea[]),
                CAST(:versions AS int4[]), CAST(:payloads AS bytea[]))
         AS done(bucket, connector_id, message_key, state, status, answer, version, payload)
    WHERE delivery.bucket = done.bucket AND delivery.connector_id = done.connector_id
      AND delivery.message_key = done.message_key
""")
_POINT = text("""
    INSERT INTO hook_event (bucket, source, event_id, action_id)
    SELECT * FROM unnest(CAST(:buckets AS int2[]), CAST(:sources AS text[]),
                         CAST(:events AS text[]), CAST(:actions AS uuid[]))
    ON CONFLICT (bucket, source, event_id) DO UPDATE SET action_id = excluded.action_id
""")
_REJECT = text("""
    INSERT INTO hook_delivery (bucket, connector_id, message_key, delivery_id, digest, size_bytes,
                               received_at, state, status, answer)
    VALUES (:bucket, :connector, :key, :id, '', :size, :now, 'rejected', :status, :answer)
""")
_SHRINK = text("""
    UPDATE hook_delivery AS delivery SET payload = NULL
    FROM (
        SELECT bucket, connector_id, message_key,
               row_number() OVER newest AS place, sum(length(payload)) OVER newest AS bytes
        FROM hook_delivery WHERE connector_id = :connector AND payload IS NOT NULL
        WINDOW newest AS (ORDER BY delivery_id DESC)
    ) AS kept
    WHERE delivery.bucket = kept.bucket AND delivery.connector_id = kept.connector_id
      AND delivery.message_key = kept.message_key AND (place > :rows OR bytes > :bytes)
""")

In = TypeVar("In")
Out = TypeVar("Out")


@dataclass(frozen=True, slots=True)
class Message:
    """A verified message, as far as the ledger knows it."""

    connector_id: str
    key: str
    delivery_id: UUID
    digest: bytes
    size_bytes: int
    received_at: datetime

    @property
    def place(self) -> tuple[int, str, str]:
        """The key of its row."""
        return place_of(self.connector_id, self.key)


@dataclass(frozen=True, slots=True)
class Had:
    """What is recorded of a message: a first attempt is open and has its own delivery id."""

    delivery_id: UUID
    digest: bytes
    state: str
    status: int | None
    answer: bytes | None


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of a message; `points` are (source, event id, action) for later reversals."""

    place: tuple[int, str, str]
    state: str
    status: int
    answer: bytes
    version: int
    payload: bytes | None
    points: Sequence[tuple[str, str, UUID]] = ()


def message_bucket(connector_id: str, key: str) -> int:
    """The bucket of a message's row."""
    return bucket_of(sha256(f"{connector_id}\0{key}".encode()).digest())


def place_of(connector_id: str, key: str) -> tuple[int, str, str]:
    """The key of a message's row."""
    return message_bucket(connector_id, key), connector_id, key


def event_bucket(source: str, event_id: str) -> int:
    """The bucket of an event's pointer to its action."""
    return bucket_of(sha256(f"{source}\0{event_id}".encode()).digest())


class Together(Generic[In, Out]):
    """Does the work of many callers at once: while one batch is done, the next one fills up."""

    def __init__(self, work: Callable[[list[In]], Awaitable[list[Out]]]) -> None:
        self._work = work
        self._waiting: list[tuple[In, asyncio.Future[Out]]] = []
        self._task: asyncio.Task[None] | None = None

    async def __call__(self, one: In) -> Out:
        """The result of `one`. Raises what the work of its batch raises."""
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
            for place, (_, result) in enumerate(taken):
                if result.done():  # the caller has gone
                    continue
                if isinstance(outcome, Exception):
                    result.set_exception(outcome)
                else:
                    result.set_result(outcome[place])
        self._task = None


class Ledger:
    """The messages of one world."""

    def __init__(self, sessions: async_sessionmaker[AsyncSession]) -> None:
        self._sessions = sessions
        self.claim: Together[Message, Had] = Together(self._claim)
        self.settle: Together[Settled, None] = Together(self._settle)

    async def _claim(self, messages: list[Message]) -> list[Had]:
        """Record messages that are new; of the others, what is recorded."""
        ordered = sorted(messages, key=lambda message: message.place)
        places = [message.place for message in ordered]
        named = _columns(places)
        async with self._sessions() as session, session.begin():
            await session.execute(_RELAXED)
            made = await session.scalars(
                _CLAIM,
                {
                    **named,
                    "ids": [one.delivery_id for one in ordered],
                    "digests": [one.digest for one in ordered],
                    "sizes": [one.size_bytes for one in ordered],
                    "times": [one.received_at for one in ordered],
                },
            )
            new = set(made)
            old = [one.place for one in ordered if one.delivery_id not in new]
            found = {}
            if old:
                rows = await session.execute(_FOUND, _columns(old))
                found = {tuple(row[:3]): Had(*row[3:]) for row in rows}
        return [
            Had(one.delivery_id, one.digest, OPEN, None, None)
            if one.delivery_id in new
            else found[one.place]
            for one in messages
        ]

    async def _settle(self, settled: list[Settled]) -> list[None]:
        ordered = sorted(settled, key=lambda one: one.place)
        points = {point[:2]: point[2] for one in ordered for point in one.points}
        keys = sorted((event_bucket(*key), *key) for key in points)
        async with self._sessions() as session, session.begin():
            if all(one.payload is None for one in ordered):
                await session.execute(_RELAXED)
            await session.execute(
                _SETTLE,
                {
                    **_columns([one.place for one in ordered]),
                    "states": [one.state for one in ordered],
                    "statuses": [one.status for one in ordered],
                    "answers": [one.answer for one in ordered],
                    "versions": [one.version for one in ordered],
                    "payloads": [one.payload for one in ordered],
                },
            )
            if keys:
                await session.execute(
                    _POINT,
                    {
                        "buckets": [key[0] for key in keys],
                        "sources": [key[1] for key in keys],
                        "events": [key[2] for key in keys],
                        "actions": [points[key[1:]] for key in keys],
                    },
                )
            for connector in sorted({one.place[1] for one in ordered if one.payload is not None}):
                await session.execute(
                    _SHRINK,
                    {
                        "connector": connector,
                        "rows": QUARANTINE_ROWS_MAX,
                        "bytes": QUARANTINE_BYTES_MAX,
                    },
                )
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
        named = {
            "bucket": message_bucket(connector, key),
            "connector": connector,
            "key": key,
            "id": delivery,
            "size": size,
            "now": now,
            "status": status,
            "answer": answer,
        }
        async with self._sessions() as session, session.begin():
            await session.execute(_REJECT, named)


def _columns(places: Sequence[tuple[int, str, str]]) -> dict[str, list[object]]:
    return {
        "buckets": [place[0] for place in places],
        "connectors": [place[1] for place in places],
        "keys": [place[2] for place in places],
    }

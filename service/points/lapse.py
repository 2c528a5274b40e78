"""Use case: mark points that nobody collected in time, chunk by chunk, and tell partners.

A chunk is one transaction: the marks and their journal rows are there together or not at all. The
account's lock is taken as by everybody else, so points are collected, reversed, taken by a friend
or lapsed, and never two of these.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from service.clock import uuid7
from service.journal.append import JournalRow, Notice, append
from service.partners.person import PersonId
from service.points import store
from service.points.store import LapsedEarning

CHUNK_PEOPLE = 500
FIRST = PersonId(-1, UUID(int=0))  # before everybody


@dataclass(frozen=True, slots=True)
class Chunk:
    """What one chunk did; `last` is None when there is nobody after it."""

    people: int
    points: int
    last: PersonId | None


async def lapse_chunk(
    session: AsyncSession,
    *,
    now: datetime,
    after: PersonId = FIRST,
    limit: int = CHUNK_PEOPLE,
) -> Chunk:
    """Lapse what is due of up to `limit` people after `after`, and return what was done.

    People whose account another transaction has locked are passed over until the next run.

    Two runs at the same time share the people between them.
    """
    due = await store.due_to_lapse(session, after=after, limit=limit, now=now)
    if not due:
        return Chunk(0, 0, None)
    ours = await store.lock_idle(session, due)
    lapsed = await store.lapse(session, ours, now) if ours else []
    for bucket, of_bucket in groupby(
        sorted(lapsed, key=_row_key), key=lambda one: one.person.bucket
    ):
        await append(session, _journal_row(bucket, list(of_bucket), now))
    return Chunk(
        people=len({one.person for one in lapsed}),
        points=sum(one.points for one in lapsed),
        last=due[-1],
    )


def _row_key(one: LapsedEarning) -> tuple[object, ...]:
    return one.person, one.local_day, one.activity


def _journal_row(bucket: int, lapsed: Sequence[LapsedEarning], now: datetime) -> JournalRow:
    """Return the journal row of lapses; it adds no action, since carbon does not lapse."""
    return JournalRow(
        bucket=bucket,
        batch_id=uuid7(now),
        kind="lapse",
        actions=0,
        people=0,
        deltas={},
        leaves=b"",
        notices=[
            _notice(person, list(earnings), now)
            for person, earnings in groupby(lapsed, key=lambda one: one.person)
        ],
    )


def _notice(person: PersonId, earnings: Sequence[LapsedEarning], now: datetime) -> Notice:
    return Notice(
        type="points.lapsed",
        partner=None,
        person_id=UUID(bytes=person.id.bytes),  # the driver's own kind is no JSON
        data={
            "points": sum(one.points for one in earnings),
            "lapsed_at": now,
            "earnings": [
                {"local_day": one.local_day, "activity": one.activity, "points": one.points}
                for one in earnings
            ],
        },
    )

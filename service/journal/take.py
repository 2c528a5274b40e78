"""Reading the journal: marks say which rows a projector has still to apply, not a position."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from service.journal.append import PROJECTORS
from service.journal.cell import Amounts, Cell

TAKE_MAX = 500

_READ = text("""
    SELECT journal.bucket, journal.batch_id, journal.people, journal.deltas
    FROM journal_pending JOIN journal USING (bucket, batch_id)
    WHERE projector = :projector
    ORDER BY batch_id LIMIT :limit
    FOR UPDATE OF journal_pending SKIP LOCKED
""").columns(deltas=JSONB)
# In the order of their positions; only for a projector that is alone, since none is passed over.
_READ_NOTICES = text("""
    SELECT journal.bucket, journal.batch_id, journal.kind, journal.actions, journal.leaves,
           journal.notices, journal.recorded_at
    FROM journal_pending JOIN journal USING (bucket, batch_id)
    WHERE projector = :projector
    ORDER BY queue_position LIMIT :limit
    FOR UPDATE OF journal_pending
""").columns(notices=JSONB)
_FORGET = text("""
    DELETE FROM journal_pending
    USING unnest(CAST(:buckets AS int2[]), CAST(:batches AS uuid[])) AS done(bucket, batch_id)
    WHERE journal_pending.bucket = done.bucket AND journal_pending.batch_id = done.batch_id
      AND projector = :projector
""")
_PENDING = text("SELECT count(*) FROM journal_pending WHERE projector = :projector")
_PROGRAMME = text("SELECT programme_id FROM programme")
_OLDEST = text("""
    SELECT extract(epoch FROM clock_timestamp() - min(journal.recorded_at))::float8
    FROM journal_pending JOIN journal USING (bucket, batch_id) WHERE projector = :projector
""")


@dataclass(frozen=True, slots=True)
class TakenRow:
    """One journal row that a projector has not applied yet."""

    bucket: int
    batch_id: UUID
    people: int
    deltas: tuple[tuple[Cell, Amounts], ...]


@dataclass(frozen=True, slots=True)
class NoticedRow:
    """One journal row whose actions and notices partners have still to hear of."""

    bucket: int
    batch_id: UUID
    kind: str
    actions: int
    leaves: bytes
    notices: list[dict[str, Any]]
    recorded_at: datetime


async def take(
    session: AsyncSession, projector: str, limit: int = TAKE_MAX
) -> tuple[TakenRow, ...]:
    """Return rows to apply, oldest first, locked for this transaction; other takers skip them."""
    found = await session.execute(_READ, {"projector": projector, "limit": limit})
    return tuple(
        TakenRow(row.bucket, row.batch_id, row.people, tuple(map(_delta, row.deltas)))
        for row in found
    )


def _delta(delta: Mapping[str, Any]) -> tuple[Cell, Amounts]:
    return Cell.from_json(delta), Amounts.from_json(delta)


async def take_noticed(session: AsyncSession, projector: str, limit: int) -> tuple[NoticedRow, ...]:
    """Return rows in the order of their positions: one person's facts in the order of their
    commits.

    The caller sees to it that it is the only taker of this projector's rows.
    """
    found = await session.execute(_READ_NOTICES, {"projector": projector, "limit": limit})
    return tuple(
        NoticedRow(
            row.bucket, row.batch_id, row.kind, row.actions, row.leaves, row.notices or [],
            row.recorded_at,
        )
        for row in found
    )  # fmt: skip


async def forget(
    session: AsyncSession, projector: str, rows: Sequence[TakenRow | NoticedRow]
) -> None:
    """Remove the marks of rows that are applied."""
    named = {
        "projector": projector,
        "buckets": [row.bucket for row in rows],
        "batches": [row.batch_id for row in rows],
    }
    await session.execute(_FORGET, named)


async def programme_id(session: AsyncSession) -> UUID:
    """Return the id that this database was given when it was made: projections belong to it."""
    found = (await session.execute(_PROGRAMME)).scalar_one()
    assert isinstance(found, UUID)
    return found


async def pending(session: AsyncSession, projector: str) -> int:
    """Return how many rows a projector has still to apply."""
    return int((await session.execute(_PENDING, {"projector": projector})).scalar_one())


async def lags(sessions: async_sessionmaker[AsyncSession]) -> dict[str, float]:
    """Return seconds that each projector is behind."""
    async with sessions() as session:
        return {projector: await lag_seconds(session, projector) for projector in PROJECTORS}


async def lag_seconds(session: AsyncSession, projector: str) -> float:
    """Age of the oldest row that a projector has still to apply; 0 when there is none."""
    return float((await session.execute(_OLDEST, {"projector": projector})).scalar() or 0)

"""The two projectors of the journal: daily totals in PostgreSQL, live counters in Valkey."""

from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from service.clock import Clock
from service.journal.take import TAKE_MAX, forget, take
from service.totals import store
from service.totals.counters import Counters

DAYS = "total_day"
LIVE = "totals"


async def apply_days(session: AsyncSession) -> int:
    """Add waiting journal rows to `total_day`; return how many. Sums and marks change together."""
    await store.lock_projection(session, exclusive=False)
    rows = await take(session, DAYS)
    if rows:
        await store.add_days(session, rows)
        await forget(session, DAYS, rows)
    return len(rows)


async def apply_live(
    sessions: async_sessionmaker[AsyncSession], counters: Counters, clock: Clock
) -> int:
    """Add waiting journal rows to Valkey's counters, and return how many.

    Idempotent by journal row: a row is remembered in Valkey until its mark in PostgreSQL is gone.
    Raises CountersLost when the counters must be rebuilt first.
    """
    generation = await counters.generation()
    moment = clock()
    async with sessions() as session, session.begin():
        await store.lock_projection(session, exclusive=False)
        rows = await take(session, LIVE)
        await counters.apply(generation, rows)
        if rows:
            await forget(session, LIVE, rows)
    # All that was answered before `moment` is counted, unless more is waiting than one take.
    if len(rows) < TAKE_MAX:
        await counters.settle(generation, moment, rows)
    return len(rows)

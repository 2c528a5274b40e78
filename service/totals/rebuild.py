"""Use case: make projections again from the facts, while counting goes on."""

from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from service.clock import Clock
from service.totals import store
from service.totals.apply import LIVE
from service.totals.counters import Counters
from service.totals.sums import Sums

_WAITING = text("SELECT batch_id FROM journal_pending WHERE projector = :projector")


async def rebuild_live(
    sessions: async_sessionmaker[AsyncSession], counters: Counters, clock: Clock
) -> Sums:
    """Put the committed sums into Valkey, and return the sums.

    One snapshot gives both the sums and the rows whose marks still stand; those are remembered as
    applied, so that the projector only takes their marks away. No row is applied meanwhile.
    """
    async with sessions() as locking, locking.begin():
        await store.lock_projection(locking, exclusive=True)
        moment = clock()
        async with sessions() as session:
            await session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
            waiting: list[UUID] = list(
                (await session.execute(_WAITING, {"projector": LIVE})).scalars()
            )
            sums = await store.known_sums(session)
        await counters.replace(sums, moment, waiting)
    return sums


async def rebuild_days(sessions: async_sessionmaker[AsyncSession]) -> None:
    """Make `total_day` again from the whole journal, in one transaction, and forget checkpoints."""
    async with sessions() as session, session.begin():
        await store.lock_projection(session, exclusive=True)
        await store.rebuild_days(session)
        await store.forget_checkpoints(session)

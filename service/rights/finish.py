"""Use case: remove what was sent about people who were erased, a step a transaction."""

from uuid import UUID

import orjson
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from service.clock import Clock
from service.customers.route import pairwise_of
from service.partners.person import PersonHasher
from service.rights import store
from service.webhooks.outbound.store import lock_projection
from service.webhooks.outbound.types import BATCH

WINDOW = 1_000  # deliveries of one transaction
AT_ONCE = 100  # erasures that are looked for at a time
_FIRST = UUID(int=0)


async def finish_erasures(
    sessions: async_sessionmaker[AsyncSession], hasher: PersonHasher, clock: Clock
) -> int:
    """Remove what was sent about people who were erased, and return how many are finished.

    A run that was killed is taken up by the next one: each step is a transaction that may be done
    again. Nothing is begun while deliveries are being made of facts of before.
    """
    async with sessions() as session:
        waiting = await store.unfinished(session, AT_ONCE)
    finished = 0
    for one in waiting:
        async with sessions() as session, session.begin():
            if not await lock_projection(session):
                return finished
            endpoints = await store.endpoints_told(session, one.former_id)
        for endpoint_id, bucket, partner in endpoints:
            pairwise = pairwise_of(hasher, partner, one.former_id)
            for name in (pairwise, one.former_id):  # version 0.1.0 told the account's own id
                await _forget_deliveries(sessions, str(name), (endpoint_id, bucket))
        async with sessions() as session, session.begin():
            await store.finish(session, one, clock())
        finished += 1
    return finished


async def _forget_deliveries(
    sessions: async_sessionmaker[AsyncSession], person: str, endpoint: tuple[UUID, int]
) -> None:
    needle, after = person.encode(), _FIRST
    while True:
        async with sessions() as session, session.begin():
            rows = await store.window(session, endpoint, needle, after=after, limit=WINDOW)
            for row in rows:
                if row.is_about:
                    rest, notices = without_person(bytes(row.body), person)
                    await store.rewrite_delivery(
                        session, row.bucket, row.delivery_id, rest, notices
                    )
        if len(rows) < WINDOW:
            return
        after = rows[-1].delivery_id


def without_person(body: bytes, person: str) -> tuple[bytes | None, int]:
    """Return a message without the notices about a person, and how many are left; None: nothing."""
    message = orjson.loads(body)
    if message["type"] != BATCH:
        return None, 0
    kept = [one for one in message["data"]["actions"] if one["data"].get("person") != person]
    if not kept:
        return None, 0
    return orjson.dumps({**message, "data": {"actions": kept}}), len(kept)

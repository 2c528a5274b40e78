"""Use case: move ripe earnings to the balance."""

from dataclasses import dataclass
from datetime import datetime

import orjson
from sqlalchemy.ext.asyncio import AsyncSession

from service.partners.people import PersonId
from service.points import store
from service.points.store import RipeEarning


@dataclass(frozen=True, slots=True)
class Collection:
    """What was collected, and the balance after it."""

    points: int
    balance: int
    earnings: tuple[RipeEarning, ...]


async def collect_ripe(session: AsyncSession, person: PersonId, *, now: datetime) -> Collection:
    """Credit every earning that is ripe and not lapsed at `now`, in one entry.

    Idempotent: an earning is collected once; a second call finds nothing and says 0.
    """
    balance = await store.lock_account(session, person, now)
    ripe = await store.take_ripe(session, person, now)
    points = sum(earning.points for earning in ripe)
    if points:
        ref = {"earnings": [{"local_day": e.local_day, "activity": e.activity} for e in ripe]}
        await store.append_entry(
            session,
            person,
            kind="collect",
            points=points,
            balance_after=balance + points,
            ref=orjson.dumps(ref).decode(),
            now=now,
        )
    return Collection(points=points, balance=balance + points, earnings=ripe)

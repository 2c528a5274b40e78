"""Use case: take points from a balance for something, and give them back."""

from datetime import datetime

import orjson
from sqlalchemy.ext.asyncio import AsyncSession

from service.errors import NotEnoughPoints
from service.partners.people import PersonId
from service.points import store

Ref = dict[str, str]


async def spend_points(
    session: AsyncSession, person: PersonId, *, points: int, ref: Ref, now: datetime
) -> int:
    """Lock the account and take `points` (above 0); the balance after it.

    Raises NotEnoughPoints. `ref` names what they were spent on.
    """
    assert points > 0
    balance = await store.lock_account(session, person, now)
    if balance < points:
        raise NotEnoughPoints(
            f"This costs {points} points and the balance is {balance}: {points - balance} more are "
            "needed. What is ripe counts once it is collected."
        )
    return await _enter(session, person, "spend", -points, balance, ref, now)


async def give_back(
    session: AsyncSession, person: PersonId, *, points: int, ref: Ref, now: datetime
) -> int:
    """Lock the account and give spent points (above 0) back; the balance after it."""
    assert points > 0
    balance = await store.lock_account(session, person, now)
    return await _enter(session, person, "refund", points, balance, ref, now)


async def _enter(
    session: AsyncSession,
    person: PersonId,
    kind: str,
    points: int,
    balance: int,
    ref: Ref,
    now: datetime,
) -> int:
    await store.append_entry(
        session,
        person,
        kind=kind,
        points=points,
        balance_after=balance + points,
        ref=orjson.dumps(ref).decode(),
        now=now,
    )
    return balance + points

"""Use case: take points from a balance for something, and give them back."""

from datetime import datetime

import orjson
from sqlalchemy.ext.asyncio import AsyncSession

from service.errors import NotEnoughPoints
from service.partners.person import PersonId
from service.points import store
from service.points.policy_file import NewAccounts
from service.points.spendable import check_spendable

Ref = dict[str, str]


async def spend_points(
    session: AsyncSession,
    person: PersonId,
    *,
    points: int,
    ref: Ref,
    now: datetime,
    new_accounts: NewAccounts | None = None,
) -> int:
    """Lock the account, take `points` (above 0) and return the balance after it.

    Raises NotEnoughPoints, and PointsPending by what the policy says of `new_accounts`: then the
    transaction is not to be committed. `ref` names what they were spent on.
    """
    assert points > 0
    ref_json = orjson.dumps(ref).decode()
    balance = await store.spend(session, person, points=points, ref=ref_json, now=now)
    if balance < points:
        raise NotEnoughPoints(
            f"This costs {points} points and the balance is {balance}: {points - balance} more are "
            "needed. What is ripe counts once it is collected."
        )
    await check_spendable(
        session, person, points=points, balance=balance, rules=new_accounts, now=now
    )
    return balance - points


async def give_back(
    session: AsyncSession, person: PersonId, *, points: int, ref: Ref, now: datetime
) -> int:
    """Lock the account, give spent points (above 0) back and return the balance after it."""
    assert points > 0
    balance = await store.lock_account(session, person, now) + points
    await store.append_entry(
        session,
        person,
        kind="refund",
        points=points,
        balance_after=balance,
        ref=orjson.dumps(ref).decode(),
        now=now,
    )
    return balance

"""Use case: put a shield up, for the policy's price: nobody takes what is ripe meanwhile."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import orjson
from sqlalchemy.ext.asyncio import AsyncSession

from service.errors import NotEnoughPoints, ShieldLongEnough
from service.friends import store
from service.partners.person import PersonId
from service.points.policy_file import NewAccounts, Shield
from service.points.spendable import check_spendable
from service.points.store import append_entry, lock_account


@dataclass(frozen=True, slots=True)
class Shielded:
    """Until when nobody can take, what it took, and the balance after it."""

    until: datetime
    points: int
    balance: int


async def raise_shield(
    session: AsyncSession,
    person: PersonId,
    *,
    rules: Shield,
    now: datetime,
    new_accounts: NewAccounts | None,
) -> Shielded:
    """Put a shield up, or make the one that is up last longer.

    Raises ShieldLongEnough, NotEnoughPoints and PointsPending.
    """
    balance = await lock_account(session, person, now)
    profile = await store.profile_of(session, person)
    begins = max(now, (profile and profile["shielded_until"]) or now)
    until = begins + timedelta(hours=rules.hours)
    if until > now + timedelta(hours=rules.ahead_hours):
        raise ShieldLongEnough(f"The shield is up until {begins.isoformat()}: extend it later.")
    if balance < rules.points:
        raise NotEnoughPoints(f"A shield takes {rules.points} points; the balance is {balance}.")
    await check_spendable(
        session, person, points=rules.points, balance=balance, rules=new_accounts, now=now
    )
    await store.put_shield(session, person, until)
    if rules.points:
        balance -= rules.points
        await append_entry(
            session,
            person,
            kind="spend",
            points=-rules.points,
            balance_after=balance,
            ref=orjson.dumps({"reason": "A shield.", "until": until}).decode(),
            now=now,
        )
    return Shielded(until, rules.points, balance)

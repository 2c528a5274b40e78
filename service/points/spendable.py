"""Points of actions are pending for spending as long as an account is new.

A thousand invented people cannot plant, give or be taken from on the day that they were invented.
"""

from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from service.errors import PointsPending
from service.partners.person import PersonId
from service.points.policy_file import NewAccounts
from service.points.store import named

_SINCE = text("SELECT created_at FROM account WHERE bucket = :bucket AND person_id = :person")
# What actions gave and is in the balance: also what was taken of a friend's ripe points.
_EARNED = text("""
    SELECT (SELECT count(DISTINCT local_day) FROM earning
            WHERE bucket = :bucket AND person_id = :person AND actions > 0) AS days,
           (SELECT coalesce(sum(points), 0)::int8 FROM entry
            WHERE bucket = :bucket AND person_id = :person
              AND kind IN ('collect', 'take', 'reversal', 'debt')) AS points
""")


class Pending(NamedTuple):
    """Points of a balance that cannot be spent yet, and until when at the latest."""

    points: int
    until: datetime


async def pending_of(
    session: AsyncSession,
    person: PersonId,
    *,
    balance: int,
    rules: NewAccounts | None,
    now: datetime,
) -> Pending | None:
    """Return what of a balance is pending; None when the account is old enough or has nothing."""
    if rules is None:
        return None
    since = (await session.execute(_SINCE, named(person))).scalar()
    if since is None or since + timedelta(days=rules.days) <= now:
        return None
    earned = (await session.execute(_EARNED, named(person))).one()
    points = min(earned.points, balance)
    if earned.days >= rules.days_with_actions or points <= 0:
        return None
    return Pending(points, since + timedelta(days=rules.days))


async def check_spendable(
    session: AsyncSession,
    person: PersonId,
    *,
    points: int,
    balance: int,
    rules: NewAccounts | None,
    now: datetime,
) -> None:
    """Raise PointsPending unless `points` of a `balance` may leave it; its account is locked."""
    pending = await pending_of(session, person, balance=balance, rules=rules, now=now)
    if pending is not None and points > balance - pending.points:
        raise PointsPending(f"{pending.points} points are {said_of(pending, rules)}")


async def check_old_enough(
    session: AsyncSession, owner: PersonId, *, rules: NewAccounts | None, now: datetime
) -> None:
    """Raise PointsPending when nothing may be taken of a person's ripe points; they are locked."""
    if rules is None:
        return
    since = (await session.execute(_SINCE, named(owner))).scalar()
    if since is None or since + timedelta(days=rules.days) <= now:
        return
    if (await session.execute(_EARNED, named(owner))).one().days < rules.days_with_actions:
        until = Pending(0, since + timedelta(days=rules.days))
        raise PointsPending(f"This friend's points are {said_of(until, rules)}")


def said_of(pending: Pending, rules: NewAccounts | None) -> str:
    """Return why points are pending, and until when, in words."""
    days = 0 if rules is None else rules.days_with_actions
    return (
        f"pending until {pending.until.date()}: the account is new. They can be spent from then "
        f"on, or as soon as there are actions on {days} days."
    )

"""Take back the points of a reversed action: uncollected first, then the balance, then as debt.

A debt is a balance below zero: what a person collects later pays it first, and the balance stays
the sum of the entries.
"""

from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

import orjson
from sqlalchemy.ext.asyncio import AsyncSession

from service.errors import RouteStale
from service.partners.person import PersonId, bucket_of
from service.points import store


@dataclass(frozen=True, slots=True)
class TakenBack:
    """Where the points were taken from; what had lapsed is gone already and is in none of them."""

    from_earning: int
    from_balance: int
    as_debt: int

    @property
    def points(self) -> int:
        """All that was taken."""
        return self.from_earning + self.from_balance + self.as_debt


def split(points: int, *, uncollected: int, kept: int, balance: int) -> TakenBack:
    """Return how `points` are taken. Pure.

    `kept` are collected points of the earning not yet taken back.
    """
    from_earning = min(points, uncollected)
    rest = min(points - from_earning, kept)
    from_balance = min(rest, max(0, balance))
    return TakenBack(from_earning, from_balance, rest - from_balance)


@dataclass(frozen=True, slots=True)
class Owner:
    """Who has the points that an account's actions gave: its person, or whom they moved to.

    `moved_at` is when they moved, or None.
    """

    person: PersonId
    moved_at: datetime | None


async def lock_owner(session: AsyncSession, account: PersonId, now: datetime) -> Owner:
    """Lock an account, and the one that its points moved to; return who has them.

    Raises RouteStale when they move at this moment.
    """
    before = await store.moved_to(session, account)
    if before is None:
        await store.lock_account(session, account, now)
        if await store.moved_to(session, account) is not None:
            raise RouteStale("This customer is being linked just now: send the request again.")
        return Owner(account, None)
    moved_at, person_id = before
    owner = PersonId(bucket_of(person_id.bytes), person_id)
    await store.lock_accounts(session, (account, owner), now)
    return Owner(owner, moved_at)


async def take_back_points(
    session: AsyncSession,
    account: PersonId,
    owner: Owner,
    *,
    day: date,
    activity: str,
    points: int,
    action_id: UUID,
    recorded_at: datetime,
    now: datetime,
) -> TakenBack:
    """Take the points of one action of `account` back from their owner.

    Call it once for each action, after lock_owner. Of points that moved, no more is taken than did.
    What friends took of the earning is the owner's to give back: it was given with the points.
    """
    person = owner.person
    if owner.moved_at is not None:
        recorded_at = owner.moved_at
        points = min(
            points,
            await store.moved_left(session, person, account, day=day, activity=activity),
        )
    balance = await store.balance_of(session, person)
    earning = await store.earning_left(
        session, person, day=day, activity=activity, recorded_at=recorded_at, now=now
    )
    if earning is None:
        return TakenBack(0, 0, 0)
    taken = split(points, uncollected=earning.uncollected, kept=earning.kept, balance=balance)
    await store.reverse_earning(
        session,
        person,
        day=day,
        activity=activity,
        round=earning.round,
        uncollected=taken.from_earning,
        kept=taken.from_balance + taken.as_debt,
    )
    if owner.moved_at is not None and taken.points:
        await store.take_moved(
            session, person, account, day=day, activity=activity, points=taken.points
        )
    ref = orjson.dumps({"action_id": str(action_id)}).decode()
    for kind, amount in (("reversal", taken.from_balance), ("debt", taken.as_debt)):
        if amount:
            balance -= amount
            await store.append_entry(
                session,
                person,
                kind=kind,
                points=-amount,
                balance_after=balance,
                ref=ref,
                now=now,
            )
    return taken

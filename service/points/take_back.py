"""Take back the points of a reversed action: uncollected first, then the balance, then as debt.

A debt is a balance below zero: what a person collects later pays it first, and the balance stays
the sum of the entries.
"""

from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

import orjson
from sqlalchemy.ext.asyncio import AsyncSession

from service.partners.person import PersonId
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


async def take_back_points(
    session: AsyncSession,
    person: PersonId,
    *,
    day: date,
    activity: str,
    points: int,
    action_id: UUID,
    recorded_at: datetime,
    now: datetime,
) -> TakenBack:
    """Take the points of one action back; call it once for each action, its account locked.

    What friends took of the earning is the owner's to give back: it was given with the points.
    """
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

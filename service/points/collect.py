"""Use case: move ripe earnings to the balance."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import NamedTuple

from sqlalchemy.ext.asyncio import AsyncSession

from service.errors import EarningLapsed, EarningNotFound, EarningNotRipe
from service.partners.person import PersonId
from service.points import store
from service.points.store import RipeEarning


class EarningKey(NamedTuple):
    """One earning, as people see them: a local day and an activity."""

    local_day: date
    activity: str


@dataclass(frozen=True, slots=True)
class Collection:
    """What was collected, and the balance after it."""

    points: int
    balance: int
    earnings: tuple[RipeEarning, ...]


async def collect_ripe(
    session: AsyncSession, person: PersonId, *, which: EarningKey | None = None, now: datetime
) -> Collection:
    """Credit what is ripe and not lapsed at `now`, in one entry: everything, or one earning.

    Idempotent: an earning is collected once; a second call finds nothing and says 0. Raises
    EarningNotFound, EarningNotRipe or EarningLapsed for one that cannot be collected.
    """
    day, activity = which or (None, None)
    collection = Collection(
        *await store.collect(session, person, day=day, activity=activity, now=now)
    )
    if which is not None and not collection.points:
        await _explain(session, person, which, now)
    return collection


async def _explain(
    session: AsyncSession, person: PersonId, which: EarningKey, now: datetime
) -> None:
    """Raise why an earning cannot be collected; nothing is raised when it was collected before."""
    day, activity = which
    earning = await store.earning_of(session, person, day=day, activity=activity)
    if earning is None:
        raise EarningNotFound(f"Nothing was earned for {activity!r} on {day}.")
    if not earning["uncollected"]:
        return
    if earning["ripens_at"] > now:
        raise EarningNotRipe(f"These points ripen at {earning['ripens_at'].isoformat()}.")
    raise EarningLapsed(
        f"These points lapsed at {earning['lapses_at'].isoformat()}: nobody had collected them."
    )

"""Use case: let held carbon into the total again."""

from datetime import date, datetime

from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncSession

from service.audit.record import audit
from service.guards import store


async def release_hold(
    session: AsyncSession,
    *,
    partner: str,
    activity: str,
    day: date,
    by: str,
    reason: str,
    now: datetime,
) -> RowMapping | None:
    """Release an active hold for good; None when there is no active one. Idempotent."""
    found = await store.release(
        session, partner=partner, activity=activity, day=day, by=by, reason=reason, now=now
    )
    if found is not None:
        await audit(
            session,
            "hold.released",
            f"hold:{partner}/{activity}/{day}",
            before={"held": True},
            after={"held": False, "reason": reason, "mean_mg": found["mean_mg"]},
            now=now,
        )
    return found

"""Use case: give points that no action earned: a campaign, or a gesture of the service."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import orjson
from sqlalchemy.ext.asyncio import AsyncSession

from service.audit.record import audit
from service.partners.person import PersonId
from service.points import store

GRANT_MAX_POINTS = 1_000_000


@dataclass(frozen=True, slots=True)
class Grant:
    """The entry that was made, and the balance after it."""

    entry_id: UUID
    points: int
    balance: int


async def grant_points(
    session: AsyncSession,
    person: PersonId,
    *,
    points: int,
    reason: str,
    granted_by: str,
    now: datetime,
) -> Grant:
    """Add points to a balance, with the reason and who gave them."""
    balance = await store.lock_account(session, person, now) + points
    entry_id = await store.append_entry(
        session,
        person,
        kind="grant",
        points=points,
        balance_after=balance,
        ref=orjson.dumps({"reason": reason, "granted_by": granted_by}).decode(),
        now=now,
    )
    after = {"entry": entry_id, "points": points, "granted_by": granted_by}
    await audit(session, "points.granted", f"person:{person.id}", after=after, now=now)
    return Grant(entry_id, points, balance)

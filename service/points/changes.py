"""The change of points that needs two persons: a grant."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncSession

from service.partners.person import PersonId
from service.partners.two_persons import Change
from service.points.grant import grant_points
from service.points.schemas import Granted


class GrantBody(BaseModel):
    """A grant as it is proposed: the person by their keyed hash."""

    bucket: int
    person_id: UUID
    points: int
    reason: str


async def _grant(session: AsyncSession, body: GrantBody, partner: str, now: datetime) -> Granted:
    done = await grant_points(
        session,
        PersonId(body.bucket, body.person_id),
        points=body.points,
        reason=body.reason,
        granted_by=partner,
        now=now,
    )
    return Granted(entry_id=done.entry_id, points=done.points, balance=done.balance)


GRANT = Change("points.grant", "admin", GrantBody, _grant)

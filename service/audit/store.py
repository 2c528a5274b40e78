"""SQL of audit events. No decisions, no commit, no HTTP."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from service.audit.tables import AuditEvent

_LOCK = text("SELECT pg_advisory_xact_lock(hashtextextended('audit ' || :target, 0))")


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which audit events are asked for; None leaves a field open. `act` may be its first part."""

    act: str | None = None
    target: str | None = None
    actor: str | None = None


async def lock_target(session: AsyncSession, target: str) -> None:
    """Let others wait who write about the same target, until this transaction ends."""
    await session.execute(_LOCK, {"target": target})


async def last_digest(session: AsyncSession, act: str, target: str) -> bytes | None:
    """Return the digest of what a target became by the last act of this kind."""
    query = (
        select(AuditEvent.after_sha256)
        .where(col(AuditEvent.act) == act, col(AuditEvent.target) == target)
        .order_by(col(AuditEvent.event_id).desc())
        .limit(1)
    )
    return (await session.scalars(query)).one_or_none()


async def events_before(
    session: AsyncSession, wanted: Wanted, *, before: UUID, limit: int
) -> Sequence[AuditEvent]:
    """Return audit events before an id, newest first."""
    query = select(AuditEvent).where(col(AuditEvent.event_id) < before)
    if wanted.act is not None:
        act = col(AuditEvent.act)
        query = query.where((act == wanted.act) | act.startswith(f"{wanted.act}.", autoescape=True))
    if wanted.target is not None:
        query = query.where(col(AuditEvent.target) == wanted.target)
    if wanted.actor is not None:
        query = query.where(col(AuditEvent.actor) == wanted.actor)
    return (
        await session.scalars(query.order_by(col(AuditEvent.event_id).desc()).limit(limit))
    ).all()

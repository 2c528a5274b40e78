"""Use case: write down which rules are in force, when they are others than before."""

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from service.audit import store
from service.audit.content import Fields, digest
from service.audit.record import audit

IN_FORCE = "rules.in_force"


async def note_in_force(
    session: AsyncSession, target: str, rules: Fields, *, now: datetime
) -> bool:
    """Append an event with all `rules`, unless the last one of `target` has the same; whether.

    Rules come in files, which change outside the database: a program that reads them says so here.
    """
    await store.lock_target(session, target)
    if await store.last_digest(session, IN_FORCE, target) == digest(rules):
        return False
    await audit(session, IN_FORCE, target, after=rules, now=now)
    return True

"""Use case: settle meetings of two reports of one thing, each in a transaction of its own.

The facts and the removal of the mark are committed together: killed at any line, the next run ends
the same.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from methodologies.catalogue import Catalogue
from methodologies.plugins import load_all
from service.actions.corroborate import corroborate
from service.actions.read import action_by_id
from service.actions.receipt import counted_region
from service.actions.reverse import reverse_action
from service.errors import ActionNotReversible, ReversalConflict
from service.intake.claims import SUPERSEDED
from service.resources import Resources

_WAITING = text("""
    SELECT bucket, person_id, action_id, holder_id, kind FROM claim_meeting
    ORDER BY bucket, person_id, action_id, holder_id LIMIT :limit
""")
_LOCK = text("""
    SELECT 1 FROM claim_meeting WHERE bucket = :bucket AND person_id = :person_id
        AND action_id = :action_id AND holder_id = :holder_id FOR UPDATE SKIP LOCKED
""")
_REMOVE = text("""
    DELETE FROM claim_meeting WHERE bucket = :bucket AND person_id = :person_id
        AND action_id = :action_id AND holder_id = :holder_id
""")


class Met(NamedTuple):
    """A meeting that waits: the newcomer's bucket, person and id, the holder's id, the kind."""

    bucket: int
    person_id: UUID
    action_id: UUID
    holder_id: UUID
    kind: str


def read_catalogue(resources: Resources) -> Catalogue:
    """Return the methodologies that an installation uses, as they are today."""
    return load_all(resources.settings.methodology_path, resources.clock().date())


async def waiting(session: AsyncSession, limit: int) -> Sequence[Met]:
    """Return meetings that wait, in the order of their keys."""
    return [Met(*row) for row in await session.execute(_WAITING, {"limit": limit})]


async def settle(
    session: AsyncSession, met: Met, *, catalogue: Callable[[], Catalogue], now: datetime
) -> bool:
    """Write the facts that follow of a meeting and remove its mark.

    Return False when somebody else has it. `catalogue` is asked only when it is needed.
    """
    if (await session.execute(_LOCK, met._asdict())).scalar() is None:
        return False
    holder = await action_by_id(session, met.holder_id)
    newcomer = await action_by_id(session, met.action_id)
    assert holder is not None
    assert newcomer is not None
    if holder["erased_at"] is not None or newcomer["erased_at"] is not None:
        await session.execute(_REMOVE, met._asdict())  # nobody's facts are not changed any more
        return True
    region = counted_region(catalogue(), holder)
    if met.kind == SUPERSEDED:
        # Its reporter may have been faster, or it gave nothing: then there is nothing to do.
        with suppress(ActionNotReversible, ReversalConflict):
            await reverse_action(session, holder, region=region, reason=SUPERSEDED, now=now)
    else:
        await corroborate(session, holder, newcomer, region=region, now=now)
    await session.execute(_REMOVE, met._asdict())
    return True

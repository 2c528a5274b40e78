"""Use case: write down an act, in the transaction of the change that it made."""

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from service.acting import this_actor, this_address
from service.audit.content import Fields, changes, digest
from service.audit.tables import AuditEvent
from service.clock import uuid7
from service.http.logs import REQUEST


async def audit(
    session: AsyncSession,
    act: str,
    target: str,
    *,
    before: Fields | None = None,
    after: Fields | None = None,
    now: datetime,
) -> None:
    """Append an audit event: who acts is known from the request, the command or the job.

    `act` is a noun and what happened to it, as `partner.disabled`; `target` a kind and a name, as
    `partner:golden-wok`. `before` and `after` are all that it was and became, and None what was
    not there. They hold no secret, and nothing that names a person but their keyed hash.
    """
    actor = this_actor()
    session.add(
        AuditEvent(
            event_id=uuid7(now),
            recorded_at=now,
            actor_kind=actor.kind,
            actor=actor.id,
            partner=actor.partner,
            address=this_address(),
            request_id=REQUEST.get(),
            act=act,
            target=target,
            before_sha256=digest(before),
            after_sha256=digest(after),
            changes=changes(before, after),
        )
    )
    await session.flush()

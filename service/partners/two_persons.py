"""Use cases: changes that need two. The first proposes one, a second confirms or rejects it.

A change is a value and the function that makes it, so that one mechanism does for all: what was
proposed is what is made. It is tried when it is proposed, so that a wrong one is refused at once.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Generic, TypeVar
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncSession

from service.acting import Actor, this_actor
from service.audit.content import Fields
from service.audit.record import audit
from service.clock import uuid7
from service.errors import ProposalEnded, ProposalNotFound, SecondPersonNeeded
from service.partners import store
from service.partners.caller import Caller
from service.partners.tables import Proposal

OPEN, CONFIRMED, REJECTED = "open", "confirmed", "rejected"
LIFETIME = timedelta(days=7)
Body = TypeVar("Body", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Change(Generic[Body]):
    """A kind of change that needs two, as `points.grant`.

    `body` is the shape of all that it says, without names of people and without secrets; `scope`
    is what both need. `make` makes the change in a transaction, for the partner that proposed it.
    """

    kind: str
    scope: str
    body: type[Body]
    make: Callable[[AsyncSession, Body, str, datetime], Awaitable[BaseModel]]


Changes = Mapping[str, Change[Any]]


async def propose(
    session: AsyncSession, change: Change[Body], body: Body, *, partner: str, now: datetime
) -> Proposal:
    """Write down a change for somebody else to confirm. Raises what making it would raise."""
    trial = await session.begin_nested()
    await change.make(session, body, partner, now)
    await trial.rollback()
    actor = this_actor()
    proposal = Proposal(
        proposal_id=uuid7(now),
        kind=change.kind,
        scope=change.scope,
        body=body.model_dump(mode="json", exclude_unset=True),
        partner=partner,
        proposer_kind=actor.kind,
        proposer=actor.id,
        proposed_at=now,
        expires_at=now + LIFETIME,
        state=OPEN,
    )
    session.add(proposal)
    await session.flush()
    await _note(session, proposal, "made", None, now)
    return proposal


async def confirm(
    session: AsyncSession, changes: Changes, caller: Caller, proposal_id: UUID, *, now: datetime
) -> tuple[Proposal, BaseModel]:
    """Make a proposed change, and return what came of it.

    Raises ProposalNotFound, ProposalEnded, ScopeMissing, SecondPersonNeeded for whoever proposed it
    or holds a key of the same lineage, and what making the change raises.
    """
    proposal = await _open_one(session, caller, proposal_id, now)
    if await _is_same(session, proposal, this_actor()):
        raise SecondPersonNeeded(
            "You proposed this, or your key is of the same lineage as the one that did. Somebody "
            "else confirms it, with a key of their own."
        )
    change = changes[proposal.kind]
    body = change.body.model_validate(proposal.body)
    done = await change.make(session, body, proposal.partner, now)
    await _decide(session, proposal, CONFIRMED, now)
    return proposal, done


async def reject(
    session: AsyncSession, caller: Caller, proposal_id: UUID, *, now: datetime
) -> Proposal:
    """End a proposal without its change; whoever proposed it may, too.

    Raises ProposalNotFound, ProposalEnded, ScopeMissing.
    """
    proposal = await _open_one(session, caller, proposal_id, now)
    await _decide(session, proposal, REJECTED, now)
    return proposal


async def _open_one(
    session: AsyncSession, caller: Caller, proposal_id: UUID, now: datetime
) -> Proposal:
    proposal = await session.get(Proposal, proposal_id, with_for_update=True)
    if proposal is None:
        raise ProposalNotFound(f"There is no proposal {proposal_id}. GET /v1/proposals lists them.")
    caller.need(proposal.scope)
    if proposal.state != OPEN or proposal.expires_at <= now:
        how = "has expired" if proposal.state == OPEN else f"is {proposal.state} already"
        raise ProposalEnded(f"The proposal {how}. Propose the change again if it is still wanted.")
    return proposal


async def _is_same(session: AsyncSession, proposal: Proposal, actor: Actor) -> bool:
    """Whether the actor is the proposer, or both are keys that came of one and the same."""
    if proposal.proposer_kind != actor.kind:
        return False
    if actor.kind != "key":
        return proposal.proposer == actor.id
    origins = [await store.origin_of(session, one) for one in (proposal.proposer, actor.id)]
    return origins[0] == origins[1]


async def _decide(session: AsyncSession, proposal: Proposal, state: str, now: datetime) -> None:
    before = state_of(proposal)
    actor = this_actor()
    proposal.state, proposal.decided_at = state, now
    proposal.decider_kind, proposal.decider = actor.kind, actor.id
    session.add(proposal)
    await session.flush()
    await _note(session, proposal, state, before, now)


def state_of(proposal: Proposal) -> dict[str, Any]:
    """Return what an audit event says of a proposal."""
    return {
        "kind": proposal.kind,
        "body": proposal.body,
        "proposer": f"{proposal.proposer_kind} {proposal.proposer}",
        "expires_at": proposal.expires_at,
        "state": proposal.state,
    }


async def _note(
    session: AsyncSession, proposal: Proposal, what: str, before: Fields | None, now: datetime
) -> None:
    target, after = f"proposal:{proposal.proposal_id}", state_of(proposal)
    await audit(session, f"proposal.{what}", target, before=before, after=after, now=now)

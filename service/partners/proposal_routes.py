"""HTTP for proposals: parse, call one use case, answer. No SQL, no rules."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, Field

from service.acting import ActorKind
from service.http.dependencies import Now
from service.http.pages import Page, Paging, newest_first
from service.http.problems import documented
from service.http.runtime import runtime_of
from service.partners import store, two_persons
from service.partners.caller import Caller
from service.partners.dependencies import PartnersRuntime, Registry, ThisCaller
from service.partners.routes import ThisAuthenticator
from service.partners.tables import Proposal

router = APIRouter(
    prefix="/v1/proposals", tags=["Operations"], responses=documented(401, 403, 422, 503)
)
State = Literal["open", "confirmed", "rejected", "expired"]


async def _reader(caller: ThisCaller) -> Caller:
    """Return a caller who may see proposals. Raises ScopeMissing."""
    caller.need("operator", "auditor")
    return caller


async def _decider(caller: ThisCaller) -> Caller:
    """Return a caller who may decide: each proposal asks for its own scope, too."""
    caller.need("operator")
    return caller


Reader = Annotated[Caller, Depends(_reader)]
Decider = Annotated[Caller, Depends(_decider)]


class ProposalView(BaseModel):
    """A change that needs two: who proposed it, what it says, and what became of it."""

    proposal_id: UUID
    kind: str = Field(examples=["points.grant"])
    scope: str = Field(description="What the second one needs.")
    body: dict[str, Any]
    state: State
    proposer_kind: ActorKind
    proposer: str = Field(description="The prefix of a key, or an operator's login.")
    proposed_at: datetime
    expires_at: datetime
    decider: str | None
    decided_at: datetime | None


class Confirmed(ProposalView):
    """A proposal that was confirmed, and what came of its change."""

    result: dict[str, Any]


@router.get("")
async def proposals(
    _: Reader,
    registry: Registry,
    page: Paging,
    now: Now,
    state: Annotated[State | None, Query(description="Only those in this state.")] = None,
) -> Page[ProposalView]:
    """Changes that were proposed, newest first."""
    return await page.of(
        newest_first("proposal_id"),
        lambda before, limit: store.proposals_before(
            registry, state=state, now=now, before=before, limit=limit
        ),
        lambda row: ProposalView.model_validate(_fields(row, now)),
    )


@router.post("/{proposal_id}/confirm", responses=documented(404, 409))
async def confirm(
    proposal_id: UUID,
    request: Request,
    caller: Decider,
    registry: Registry,
    authenticator: ThisAuthenticator,
    now: Now,
) -> Confirmed:
    """Make a change that somebody else proposed. Needs the scope that the proposal names.

    Refused for the key that proposed it, and for any key of its lineage.
    """
    changes = runtime_of(request.app, PartnersRuntime).changes
    found, done = await two_persons.confirm(registry, changes, caller, proposal_id, now=now)
    authenticator.forget()
    return Confirmed.model_validate({**_fields(found, now), "result": done.model_dump(mode="json")})


@router.post("/{proposal_id}/reject", responses=documented(404, 409))
async def reject(proposal_id: UUID, caller: Decider, registry: Registry, now: Now) -> ProposalView:
    """End a proposal without its change; whoever proposed it may withdraw it so."""
    found = await two_persons.reject(registry, caller, proposal_id, now=now)
    return ProposalView.model_validate(_fields(found, now))


def _fields(row: Proposal, now: datetime) -> dict[str, Any]:
    is_expired = row.state == two_persons.OPEN and row.expires_at <= now
    return {**row.model_dump(), "state": "expired" if is_expired else row.state}

"""What a route depends on whose change needs two: it is made at once, or proposed with a 202."""

from functools import wraps
from typing import Annotated, Any

import orjson
from fastapi import Depends, Response
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncSession

from service.http.dependencies import AppResources, Now
from service.partners.dependencies import ThisCaller
from service.partners.idempotent import Answering
from service.partners.schemas import Proposed
from service.partners.two_persons import Body, Change, propose

PROPOSED = 202


WITH_PROPOSAL: dict[int | str, dict[str, Any]] = {
    PROPOSED: {"model": Proposed, "description": "It waits for a second person."}
}


class Proposing:
    """Makes changes of one request, or proposes them where two persons are needed."""

    def __init__(
        self, caller: ThisCaller, resources: AppResources, now: Now, response: Response
    ) -> None:
        self._caller = caller
        self._now = now
        self._response = response
        self.is_needed = resources.settings.two_persons

    async def make(self, session: AsyncSession, change: Change[Body], body: Body) -> BaseModel:
        """Return what came of the change, or the Proposed that stands for it, with status 202."""
        if not self.is_needed:
            return await change.make(session, body, self._caller.partner, self._now)
        return await self.propose(session, change, body)

    async def propose(self, session: AsyncSession, change: Change[Body], body: Body) -> Proposed:
        """Return a proposal of the change; the request is answered with status 202."""
        self._response.status_code = PROPOSED
        return await self.write(session, change, body)

    async def write(self, session: AsyncSession, change: Change[Body], body: Body) -> Proposed:
        """Return a proposal of a change that is not all that the request asks for."""
        partner = self._caller.partner
        made = await propose(session, change, body, partner=partner, now=self._now)
        return Proposed(proposal_id=made.proposal_id, expires_at=made.expires_at)


ThisProposing = Annotated[Proposing, Depends()]


def answers_202(route: Answering) -> Answering:
    """Decorate a repeatable route: an answer that is a proposal has its status when repeated, too.

    Stored answers have no status of their own.
    """

    @wraps(route)
    async def answer(**arguments: Any) -> Response:
        made = await route(**arguments)
        if orjson.loads(bytes(made.body)).keys() == Proposed.model_fields.keys():
            made.status_code = PROPOSED
        return made

    return answer

"""What FastAPI gives to routes about points: the policy."""

from typing import Annotated

from fastapi import Depends, Request

from service.points.policy import Policy


async def policy_of(request: Request) -> Policy:
    """The points policies of this process."""
    found = request.app.state.policy
    assert isinstance(found, Policy)
    return found


ThisPolicy = Annotated[Policy, Depends(policy_of)]

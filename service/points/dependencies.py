"""What routes depend on that is about points: the policy."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from service.http.runtime import runtime_of
from service.points.policy import Policy


@dataclass(frozen=True, kw_only=True)
class PointsRuntime:
    """The policies that this process turns carbon into points by."""

    policy: Policy


async def policy_of(request: Request) -> Policy:
    """Return the policies of this process."""
    return runtime_of(request.app, PointsRuntime).policy


ThisPolicy = Annotated[Policy, Depends(policy_of)]

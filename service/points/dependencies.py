"""What routes depend on that is about points: the policy."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from service.http.dependencies import resources_of
from service.http.runtime import runtime_of
from service.points.policy import Policy, today_of
from service.points.policy_file import NewAccounts


@dataclass(frozen=True, kw_only=True)
class PointsRuntime:
    """The policies that this process turns carbon into points by."""

    policy: Policy


async def policy_of(request: Request) -> Policy:
    """Return the policies of this process."""
    return runtime_of(request.app, PointsRuntime).policy


async def new_accounts_of(request: Request) -> NewAccounts | None:
    """Return what today's policy says of new accounts."""
    now = (await resources_of(request)).clock()
    policy = await policy_of(request)
    return policy.in_force(today_of(policy, now)).new_accounts


ThisNewAccounts = Annotated[NewAccounts | None, Depends(new_accounts_of)]
ThisPolicy = Annotated[Policy, Depends(policy_of)]

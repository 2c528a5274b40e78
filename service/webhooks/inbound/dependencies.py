"""What routes depend on that is about merchants' messages: what takes them."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from service.http.runtime import runtime_of
from service.webhooks.inbound.receive import Hooks


@dataclass(frozen=True, kw_only=True)
class HooksRuntime:
    """What takes merchants' messages in this process."""

    hooks: Hooks


async def hooks_of(request: Request) -> Hooks:
    """Return what takes merchants' messages in this process."""
    return runtime_of(request.app, HooksRuntime).hooks


TheseHooks = Annotated[Hooks, Depends(hooks_of)]

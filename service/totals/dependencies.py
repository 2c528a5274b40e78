"""What routes depend on that is about totals: everybody's, or those of a test key."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from service.http.dependencies import resources_of
from service.http.runtime import runtime_of
from service.partners.dependencies import PartnersRuntime, caller_of
from service.totals.view import LiveTotals, TestTotals


@dataclass(frozen=True, kw_only=True)
class TotalsRuntime:
    """The public totals, as this process remembers them for a moment."""

    totals: LiveTotals


async def live_of(request: Request) -> LiveTotals | TestTotals:
    """This process's cached totals; with a test key, those of the caller's own test data."""
    if runtime_of(request.app, PartnersRuntime).is_sandbox:
        partner = (await caller_of(request)).partner
        resources = await resources_of(request)
        return TestTotals(resources.sessions, resources.clock, partner)
    return runtime_of(request.app, TotalsRuntime).totals


Live = Annotated[LiveTotals | TestTotals, Depends(live_of)]

"""Job: add up the journal's days that are over, so that a look back reads few rows."""

from typing import Any

from service.resources import Resources
from service.totals.checkpoint import close_days as close


async def close_days(ctx: dict[str, Any]) -> None:
    """Close the UTC days that are over. Idempotent: a closed day stays as it is."""
    resources: Resources = ctx["resources"]
    await close(resources.sessions, resources.clock())

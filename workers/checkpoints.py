"""Job: add up the journal's days that are over, so that a look back reads few rows."""

from typing import Any

from service.resources import Resources
from service.totals.checkpoint import close_days as close


async def close_days(ctx: dict[str, Any]) -> None:
    """Idempotent: what is closed stays."""
    resources: Resources = ctx["resources"]
    await close(resources.sessions, resources.clock())

"""Job: forget what came in through connectors once it is older than it is kept."""

from datetime import timedelta
from typing import Any

from service.resources import Resources
from service.webhooks.inbound.store import forget_old

DELIVERIES_KEPT = timedelta(days=30)
PAYLOADS_KEPT = timedelta(days=30)


async def forget_hooks(ctx: dict[str, Any]) -> None:
    """Forget old payloads and the old log of deliveries, live and sandbox. Idempotent."""
    for environment in ("resources", "sandbox"):
        resources: Resources = ctx[environment]
        now = resources.clock()
        async with resources.sessions() as session, session.begin():
            await forget_old(
                session,
                payloads_before=now - PAYLOADS_KEPT,
                deliveries_before=now - DELIVERIES_KEPT,
            )

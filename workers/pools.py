"""Job: give the points of pools whose time is over back to their members."""

from typing import Any

from service.forest.pool import expire_pool
from service.forest.pool_store import expired_pools
from service.resources import Resources

POOLS_MAX = 200  # in one run; the next one goes on


async def end_pools(ctx: dict[str, Any]) -> None:
    """Dissolve each expired pool, once and in a transaction of its own. Idempotent."""
    resources: Resources = ctx["resources"]
    async with resources.sessions() as session:
        over = await expired_pools(session, resources.clock(), POOLS_MAX)
    for pool in over:
        async with resources.sessions() as session, session.begin():
            await expire_pool(session, pool, now=resources.clock())

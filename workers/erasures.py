"""Job: remove the last traces of people who were erased, and tombstones once they are old."""

from datetime import timedelta
from typing import Any

from service.partners.person_key import hasher_of
from service.resources import Resources
from service.rights.finish import finish_erasures
from service.rights.store import forget_tombstones

TOMBSTONES_KEPT = timedelta(days=30)


async def finish_all_erasures(ctx: dict[str, Any]) -> int:
    """Finish erasures, live and sandbox, and return how many. Idempotent."""
    finished = 0
    for environment in ("resources", "sandbox"):
        resources: Resources = ctx[environment]
        finished += await finish_erasures(
            resources.sessions, hasher_of(resources.settings), resources.clock
        )
        kept = max(TOMBSTONES_KEPT, timedelta(days=resources.settings.late_days))
        async with resources.sessions() as session, session.begin():
            await forget_tombstones(session, resources.clock() - kept)
    return finished

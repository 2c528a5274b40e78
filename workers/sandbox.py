"""What the worker does for the sandbox: its daily totals, at an easy pace.

The sandbox has no live counters: a partner's test totals are read from the database.
"""

import asyncio
import logging

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from service.resources import Resources
from service.totals.apply import LIVE, apply_days
from workers.projectors import PASSING

PAUSE_S = 5.0
_log = logging.getLogger(__name__)

_NOBODY_COUNTS = text("""
    DELETE FROM journal_pending WHERE projector = :projector
      AND NOT EXISTS (SELECT 1 FROM journal_pending AS other
                      WHERE other.bucket = journal_pending.bucket
                        AND other.batch_id = journal_pending.batch_id
                        AND other.projector = 'total_day')
""")


class SandboxProjector:
    """The sandbox's projection loop; `resources` are those of the sandbox."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources

    async def run(self) -> None:
        """Run until cancelled."""
        while True:
            try:
                async with self._resources.sessions() as session, session.begin():
                    more = await step(session)
            except PASSING as fault:
                _log.warning("sandbox pause after: %r", fault)
                more = 0
            if not more:
                await asyncio.sleep(PAUSE_S)


async def step(session: AsyncSession) -> int:
    """Add waiting rows to the daily totals, and drop the marks of the counters that there are not;
    how many rows."""
    rows = await apply_days(session)
    await session.execute(_NOBODY_COUNTS, {"projector": LIVE})
    return rows

"""Use case: look at the means of each partner's day, and keep implausible carbon out of the total.

People keep their points: the batch fails, not the person. A hold says what the totals should be;
each look moves what differs, so a look that was lost, or is repeated, changes nothing.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncSession

from methodologies.plausible import Plausible, load_plausible
from service.clock import uuid7
from service.guards import store
from service.journal.append import JournalRow, append, delta

__all__ = ["load_plausible", "watch"]

COUNTED, HELD = "3+", "held"
MOVES_MAX = 500  # cells in one journal row
LOOK_BACK = timedelta(hours=1)  # longer than any transaction that counts may run
_WHATS = ("actions", "limited", "gross_mg", "avoided_mg", "uncertainty_mg", "points")


async def watch(
    session: AsyncSession, plausible: Plausible, *, since: datetime, now: datetime
) -> int:
    """Open holds for implausible means since a moment and move carbon; return how many cells moved.

    Idempotent. Does nothing while another guard looks, or while moves are still being counted.
    """
    if not await store.lock_guard(session):
        return 0
    found = await store.means(
        session,
        activities=sorted(plausible.means),
        since=since - LOOK_BACK,
        least_actions=plausible.least_actions,
    )
    for row in found:
        means = plausible.means[row["activity"]]
        if not means.hold(row["mean_mg"]):
            await store.open_hold(session, row, bounds=means, now=now)
    to_hold = await store.cells_to_hold(session, MOVES_MAX)
    to_release = await store.cells_to_release(session, MOVES_MAX)
    deltas = [*_moved(to_hold, HELD), *_moved(to_release, COUNTED)]
    if deltas:
        await append(
            session,
            JournalRow(
                bucket=0,
                batch_id=uuid7(now),
                kind="hold",
                actions=0,
                people=0,
                deltas=deltas,
                leaves=b"",
            ),
        )
    return len(deltas) // 2


def _moved(cells: Iterable[RowMapping], scope: str) -> Iterable[dict[str, object]]:
    """Return deltas that move each cell from its scope to another."""
    for cell in cells:
        yield _delta(cell, cell["scope"], -1)
        yield _delta(cell, scope, 1)


def _delta(cell: RowMapping, scope: str, sign: int) -> dict[str, object]:
    return delta(
        local_day=cell["local_day"].isoformat(),
        activity=cell["activity"],
        methodology=f"{cell['methodology']}@{cell['version']}",
        partner=cell["partner"],
        region=cell["region"],
        evidence_level=cell["evidence_level"],
        scope=scope,
        **{what: sign * cell[what] for what in _WHATS},
    )

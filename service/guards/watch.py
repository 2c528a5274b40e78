"""Use case: look at the means of each partner's day, and keep implausible carbon out of the total.

People keep their points: the batch fails, not the person. A hold says what the totals should be;
each look moves what differs, so a look that was lost, or is repeated, changes nothing.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncSession

from methodologies.plausible import Plausible, load_plausible
from service.acting import Actor, acting
from service.audit.record import audit
from service.clock import uuid7
from service.guards import store
from service.journal.append import JournalRow, append
from service.journal.cell import Amounts, Cell, summed_cells

__all__ = ["load_plausible", "watch"]

GUARD = Actor("worker", "guard")
COUNTED, HELD = "3+", "held"
MOVES_MAX = 500  # cells in one journal row
LOOK_BACK = timedelta(hours=1)  # longer than any transaction that counts may run


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
        is_implausible = not means.hold(row["mean_mg"])
        if is_implausible and await store.open_hold(session, row, bounds=means, now=now):
            await _note(session, row, now)
    to_hold = await store.cells_to_hold(session, MOVES_MAX)
    to_release = await store.cells_to_release(session, MOVES_MAX)
    deltas = summed_cells([*_moved(to_hold, HELD), *_moved(to_release, COUNTED)])
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
    return len(to_hold) + len(to_release)


async def _note(session: AsyncSession, row: RowMapping, now: datetime) -> None:
    target = f"hold:{row['partner']}/{row['activity']}/{row['local_day']}"
    after = {"held": True, "actions": row["actions"], "mean_mg": row["mean_mg"]}
    with acting(GUARD):
        await audit(session, "hold.opened", target, after=after, now=now)


def _moved(cells: Iterable[tuple[Cell, Amounts]], scope: str) -> Iterable[tuple[Cell, Amounts]]:
    """Return what moves each cell from its scope to another."""
    for cell, amounts in cells:
        yield cell, -amounts
        yield cell._replace(scope=scope), amounts

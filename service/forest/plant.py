"""Use cases of lots: fund one, and record what planting partners report."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from service.audit.record import audit
from service.errors import FieldsInvalid, LotNotFound, LotNotFundable
from service.forest import store
from service.forest.lot import FUNDED, PLEDGED, LotNow, Report, after, objection
from service.forest.redeem import find_offer


@dataclass(frozen=True, slots=True)
class Line:
    """A report, and where in a file or list it stands."""

    number: int
    report: Report


async def find_lot(session: AsyncSession, lot: str) -> LotNow:
    """Return a lot. Raises LotNotFound."""
    found = await store.find_lot(session, lot)
    if found is None:
        raise LotNotFound(f"There is no lot {lot!r}. GET /v1/admin/lots lists them.")
    return found


async def fund_lot(session: AsyncSession, lot: str, *, now: datetime) -> LotNow:
    """Close a pledged lot so that it can be planted, and open the project's next one.

    Waits for orders in flight: what is in the lot afterwards is all there will be. Idempotent: a
    lot that is funded stays so. Raises LotNotFound or LotNotFundable.
    """
    found = await find_lot(session, lot)
    state = await store.lock_lot(session, lot)
    if state == FUNDED:
        return await find_lot(session, lot)
    if state != PLEDGED:
        raise LotNotFundable(f"The lot {lot} is {state} already.")
    cells = [bucket for bucket, _, _ in await store.lock_cells(session, found.project)]
    found = await find_lot(session, lot)
    if not found.trees:
        raise LotNotFundable(f"The lot {lot} has no tree yet.")
    fresh = await store.add_lot(session, found.project, found.number + 1, now)
    await store.send_to_lot(session, found.project, cells, fresh)
    await store.set_lot(session, lot, state=FUNDED, planted=0, surviving=None, now=now)
    was, is_ = {"state": PLEDGED}, {"state": FUNDED, "trees": found.trees}
    await audit(session, "lot.funded", f"lot:{lot}", before=was, after=is_, now=now)
    return await find_lot(session, lot)


async def record_reports(
    session: AsyncSession, lines: Sequence[Line], *, now: datetime
) -> tuple[int, int]:
    """Record reports in their order: (recorded, known before). All or nothing.

    Idempotent: the same report again changes nothing. Raises FieldsInvalid that names every line
    which is wrong.
    """
    # Locks are taken in one order, whatever the order of the lines.
    for lot in sorted({line.report.lot for line in lines}):
        await store.lock_lot(session, lot)
    recorded, wrong = 0, []
    for line in lines:
        if await store.is_known_report(session, line.report):
            continue
        why = await _record(session, line.report, now)
        if why is None:
            recorded += 1
        else:
            wrong.append((f"/lines/{line.number}/{why[0]}", why[1]))
    if wrong:
        raise wrong_lines(wrong)
    return recorded, len(lines) - recorded


def wrong_lines(wrong: Sequence[tuple[str, str]]) -> FieldsInvalid:
    """Return the problem of a file with wrong lines; nothing of it is recorded."""
    pointer, why = wrong[0]
    number = pointer.split("/")[2]
    return FieldsInvalid(
        f"Nothing was recorded. Wrong lines: {len(wrong)}. Line {number}: {why}.",
        tuple(wrong),
    )


async def _record(session: AsyncSession, report: Report, now: datetime) -> tuple[str, str] | None:
    lot = await store.find_lot(session, report.lot)
    if lot is None:
        return "lot", f"there is no lot {report.lot!r}"
    offer = await find_offer(session, lot.project)
    why = objection(report, lot, offer.day_at(now))
    if why is None:
        planted, surviving = after(report, lot)
        await store.add_report(session, report, now)
        await store.set_lot(
            session,
            lot.lot,
            state=report.state,
            planted=planted,
            surviving=surviving,
            now=now,
        )
        await audit(
            session,
            "lot.reported",
            f"lot:{lot.lot}",
            before={"state": lot.state, "planted": lot.planted, "surviving": lot.surviving},
            after={"state": report.state, "planted": planted, "surviving": surviving},
            now=now,
        )
    return why

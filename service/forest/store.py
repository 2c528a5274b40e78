"""SQL of stock, orders, certificates and lots. No decisions, no commit, no HTTP.

Order of locks: account, pool, lot, cell, project. Each statement on a cell names one bucket, so
that it runs on one node where the table is distributed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID
from zoneinfo import ZoneInfo

import orjson
from sqlalchemy import RowMapping, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession

from service.clock import uuid7
from service.forest.lot import LotNow, Report
from service.forest.season import Season, read_windows
from service.partners.person import BUCKETS, PersonId

CELLS = 32

_OFFER = text("""
    SELECT project, name, price_points, opens_on, closes_on, seasons, time_zone, is_open,
           ARRAY(SELECT bucket FROM stock_cell
                 WHERE stock_cell.project = project.project AND sold < capacity) AS cells
    FROM project WHERE project = :project
""").columns(seasons=JSONB)
_OPEN_CELLS = text("SELECT bucket FROM stock_cell WHERE project = :project AND sold < capacity")
_TAKE = """
    UPDATE stock_cell SET sold = sold + 1
    WHERE bucket = :cell AND project = :project AND sold < capacity{free}
    RETURNING lot, sold = capacity AS emptied
"""
_TAKE_IF_FREE = text(
    _TAKE.format(
        free=""" AND EXISTS (
        SELECT 1 FROM stock_cell WHERE bucket = :cell AND project = :project AND sold < capacity
        FOR UPDATE SKIP LOCKED)"""
    )
)
_TAKE_IN_TURN = text(_TAKE.format(free=""))
_PUT_BACK = text("""
    UPDATE stock_cell SET sold = sold - 1 WHERE bucket = :cell AND project = :project
""")
_LOCK_PROJECT = text("SELECT 1 FROM project WHERE project = :project FOR NO KEY UPDATE")
_LOCK_CELLS = text("""
    SELECT bucket, capacity, sold FROM stock_cell WHERE project = :project
    ORDER BY bucket FOR UPDATE
""")
_SET_CAPACITY = text("""
    UPDATE stock_cell SET capacity = :capacity WHERE bucket = :cell AND project = :project
""")
_SET_LOT = text("UPDATE stock_cell SET lot = :lot WHERE bucket = :cell AND project = :project")
_ADD_CELL = text("""
    INSERT INTO stock_cell (bucket, project, capacity, lot)
    VALUES (:cell, :project, :capacity, :lot)
""")

_ADD_CERTIFICATE = text("""
    INSERT INTO certificate
        (bucket, serial, project, lot, cell, pool_id, display_name, issued_at)
    VALUES (:bucket, :serial, :project, :lot, :cell, :pool, :name, :now)
""")
_ADD_ORDER = text("""
    WITH issued AS (
        INSERT INTO certificate
            (bucket, serial, project, lot, cell, order_id, display_name, issued_at)
        VALUES (:bucket, :serial, :project, :lot, :cell, :order, :name, :now)
    )
    INSERT INTO tree_order
        (bucket, order_id, person_id, project, points, serial, partner, placed_at)
    VALUES (:bucket, :order, :person, :project, :points, :serial, :partner, :now)
""")
_ORDERS = """
    SELECT bucket, tree_order.order_id, person_id, tree_order.project, points, serial, partner,
           placed_at, refunded_at, certificate.lot, cell, display_name, lot.state AS lot_state
    FROM tree_order JOIN certificate USING (bucket, serial) JOIN lot USING (lot)
"""
_ORDER = text(f"{_ORDERS} WHERE tree_order.bucket = :bucket AND tree_order.order_id = :order")
_ORDERS_OF = text(f"""{_ORDERS}
    WHERE tree_order.bucket = :bucket AND person_id = :person AND tree_order.order_id < :before
    ORDER BY tree_order.order_id DESC LIMIT :limit
""")
_REFUND = text("""
    UPDATE tree_order SET refunded_at = :now WHERE bucket = :bucket AND order_id = :order
""")
_VOID = text("UPDATE certificate SET voided_at = :now WHERE bucket = :bucket AND serial = :serial")
_RENAME = text("""
    UPDATE certificate SET display_name = :name WHERE bucket = :bucket AND serial = :serial
""")
_CERTIFICATE = text("""
    SELECT serial, certificate.project, certificate.lot, order_id, pool_id, display_name,
           issued_at, voided_at, certificate.bucket,
           project.name AS project_name, place, region, planting_partner, time_zone,
           species.species, scientific_name, local_name, english_name
    FROM certificate JOIN project USING (project) JOIN species USING (species)
    WHERE certificate.bucket = :bucket AND serial = :serial
""")

_LOTS = """
    SELECT lot.lot, lot.project, number, state, planted, surviving,
           (SELECT count(*) FROM certificate
            WHERE certificate.lot = lot.lot AND voided_at IS NULL) AS trees,
           (SELECT max(on_day) FROM lot_report WHERE lot_report.lot = lot.lot) AS last_report
    FROM lot
"""
_LOT = text(f"{_LOTS} WHERE lot.lot = :lot")
_LOTS_OF = text(f"""{_LOTS}
    WHERE (CAST(:project AS text) IS NULL OR project = :project)
      AND (CAST(:state AS text) IS NULL OR state = :state) AND lot.lot > :after
    ORDER BY lot.lot LIMIT :limit
""")
_LOCK_LOT = text("SELECT state FROM lot WHERE lot = :lot FOR NO KEY UPDATE")
_SHARE_LOT = text("SELECT state FROM lot WHERE lot = :lot FOR SHARE")
_ADD_LOT = text("""
    INSERT INTO lot (lot, project, number, state, changed_at)
    VALUES (:lot, :project, :number, 'pledged', :now)
""")
_SET_STATE = text("""
    UPDATE lot SET state = :state, planted = :planted, surviving = :surviving, changed_at = :now
    WHERE lot = :lot
""")
_KNOWN_REPORT = text("SELECT 1 FROM lot_report WHERE lot = :lot AND digest = :digest")
_LAST_REPORT = text("""
    SELECT report_id FROM lot_report WHERE lot = :lot ORDER BY report_id DESC LIMIT 1
""")
_ADD_REPORT = text("""
    INSERT INTO lot_report (lot, report_id, state, on_day, reported_by, planted, surviving,
                            photos, note, digest, recorded_at)
    VALUES (:lot, :id, :state, :on, :by, :planted, :surviving, CAST(:photos AS jsonb), :note,
            :digest, :now)
""")
_REPORTS = text("""
    SELECT state, on_day, reported_by, planted, surviving, photos, note FROM lot_report
    WHERE lot = :lot ORDER BY on_day, report_id
""").columns(photos=JSONB)
_TO_PLANT = text(f"""
    SELECT lots.*, project.name AS project_name, place, region, planting_partner,
           species.species, scientific_name, local_name
    FROM ({_LOTS} WHERE state <> 'pledged') AS lots
    JOIN project USING (project) JOIN species USING (species)
    WHERE (CAST(:partner AS text) IS NULL OR planting_partner = :partner)
    ORDER BY lots.lot
""")


@dataclass(frozen=True, slots=True)
class Offer:
    """What an order or a pool must know of a project.

    `cells` had a tree left in this moment, which nobody is kept from taking meanwhile.
    """

    project: str
    name: str
    price_points: int
    season: Season
    zone: ZoneInfo
    is_open: bool
    cells: Sequence[int]

    def day_at(self, now: datetime) -> date:
        """Return the local day at the project's place."""
        return now.astimezone(self.zone).date()


@dataclass(frozen=True, slots=True)
class TakenTree:
    """A tree that left the stock: its cell, the lot it joins, whether it was the cell's last."""

    cell: int
    lot: str
    emptied: bool


@dataclass(frozen=True, slots=True)
class Order:
    """One person's order with its certificate, and the state of its tree's lot."""

    bucket: int
    order_id: UUID
    person_id: UUID
    project: str
    points: int
    serial: str
    partner: str
    placed_at: datetime
    refunded_at: datetime | None
    lot: str
    cell: int
    display_name: str | None
    lot_state: str

    @property
    def person(self) -> PersonId:
        """Return the person whose order it is."""
        return PersonId(self.bucket, self.person_id)


async def find_offer(session: AsyncSession, project: str) -> Offer | None:
    """Return a project as an order sees it."""
    row = (await session.execute(_OFFER, {"project": project})).one_or_none()
    if row is None:
        return None
    season = Season(row.opens_on, row.closes_on, read_windows(row.seasons))
    zone = ZoneInfo(row.time_zone)
    return Offer(row.project, row.name, row.price_points, season, zone, row.is_open, row.cells)


async def open_cells(session: AsyncSession, project: str) -> list[int]:
    """Buckets of the cells that have a tree left."""
    return list((await session.execute(_OPEN_CELLS, {"project": project})).scalars())


async def take_from_cell(
    session: AsyncSession, project: str, cell: int, *, in_turn: bool
) -> TakenTree | None:
    """Return one tree of a cell; None if it is empty, or, unless `in_turn`, locked by somebody
    else.
    """
    statement = _TAKE_IN_TURN if in_turn else _TAKE_IF_FREE
    found = await session.execute(statement, {"project": project, "cell": cell})
    row = found.one_or_none()
    return None if row is None else TakenTree(cell, row.lot, row.emptied)


async def put_back(session: AsyncSession, project: str, cell: int) -> None:
    """Return a tree to its cell."""
    await session.execute(_PUT_BACK, {"project": project, "cell": cell})


async def lock_project(session: AsyncSession, project: str) -> None:
    """Lock a project, after all orders that emptied one of its cells and all its changes."""
    await session.execute(_LOCK_PROJECT, {"project": project})


async def lock_cells(session: AsyncSession, project: str) -> list[tuple[int, int, int]]:
    """Lock all cells of a project: (bucket, capacity, sold) of each, once no order is in flight."""
    found = await session.execute(_LOCK_CELLS, {"project": project})
    return [(row.bucket, row.capacity, row.sold) for row in found]


async def set_capacity(session: AsyncSession, project: str, cell: int, capacity: int) -> None:
    """Change what a cell holds. The cells must be locked."""
    await session.execute(_SET_CAPACITY, {"project": project, "cell": cell, "capacity": capacity})


async def send_to_lot(session: AsyncSession, project: str, cells: Sequence[int], lot: str) -> None:
    """Let what is sold from now on join another lot. The cells must be locked."""
    named = [{"project": project, "cell": cell, "lot": lot} for cell in cells]
    await session.execute(_SET_LOT, named)


async def add_cells(session: AsyncSession, project: str, stock: int, lot: str) -> None:
    """Spread the stock of a new project evenly over its cells."""
    step = BUCKETS // CELLS
    named = [
        {
            "cell": number * step,
            "project": project,
            "capacity": stock // CELLS + (number < stock % CELLS),
            "lot": lot,
        }
        for number in range(CELLS)
    ]
    await session.execute(_ADD_CELL, named)


async def add_certificate(
    session: AsyncSession,
    *,
    bucket: int,
    serial: str,
    project: str,
    tree: TakenTree,
    pool: UUID,
    display_name: str,
    now: datetime,
) -> None:
    """Issue a pool's certificate for a tree that was taken from the stock."""
    named = {
        "bucket": bucket,
        "serial": serial,
        "project": project,
        "lot": tree.lot,
        "cell": tree.cell,
        "pool": pool,
        "name": display_name,
        "now": now,
    }
    await session.execute(_ADD_CERTIFICATE, named)


async def add_order(
    session: AsyncSession,
    person: PersonId,
    *,
    order: UUID,
    project: str,
    points: int,
    serial: str,
    tree: TakenTree,
    partner: str,
    display_name: str | None,
    now: datetime,
) -> None:
    """Record an order and issue its certificate, for a tree that was taken from the stock."""
    named = {
        "bucket": person.bucket,
        "order": order,
        "person": person.id,
        "project": project,
        "points": points,
        "serial": serial,
        "lot": tree.lot,
        "cell": tree.cell,
        "partner": partner,
        "name": display_name,
        "now": now,
    }
    await session.execute(_ADD_ORDER, named)


async def find_order(session: AsyncSession, bucket: int, order: UUID) -> Order | None:
    """Return an order by its id."""
    found = await session.execute(_ORDER, {"bucket": bucket, "order": order})
    row = found.mappings().one_or_none()
    return None if row is None else Order(**row)


async def orders_before(
    session: AsyncSession, person: PersonId, *, before: UUID, limit: int
) -> list[Order]:
    """Return a person's orders before an id, newest first."""
    named = {"bucket": person.bucket, "person": person.id, "before": before, "limit": limit}
    return [Order(**row) for row in (await session.execute(_ORDERS_OF, named)).mappings()]


async def void_order(session: AsyncSession, order: Order, now: datetime) -> None:
    """Mark an order as refunded and its certificate as void."""
    named = {"bucket": order.bucket, "order": order.order_id, "serial": order.serial, "now": now}
    await session.execute(_REFUND, named)
    await session.execute(_VOID, named)


async def rename_certificate(
    session: AsyncSession, bucket: int, serial: str, name: str | None
) -> None:
    """Show another name on a certificate, or none."""
    await session.execute(_RENAME, {"bucket": bucket, "serial": serial, "name": name})


async def find_certificate(session: AsyncSession, bucket: int, serial: str) -> RowMapping | None:
    """Return a certificate with its project and species."""
    found = await session.execute(_CERTIFICATE, {"bucket": bucket, "serial": serial})
    return found.mappings().one_or_none()


async def find_lot(session: AsyncSession, lot: str) -> LotNow | None:
    """Return a lot in its current state, or None."""
    row = (await session.execute(_LOT, {"lot": lot})).mappings().one_or_none()
    return None if row is None else LotNow(**row)


async def lots_after(
    session: AsyncSession, *, project: str | None, state: str | None, after: str, limit: int
) -> list[LotNow]:
    """Return lots by id, of a project or in a state if one is given."""
    named = {"project": project, "state": state, "after": after, "limit": limit}
    return [LotNow(**row) for row in (await session.execute(_LOTS_OF, named)).mappings()]


async def lock_lot(session: AsyncSession, lot: str) -> str | None:
    """Lock a lot against refunds and other reports, and return its state."""
    return (await session.execute(_LOCK_LOT, {"lot": lot})).scalar()


async def share_lot(session: AsyncSession, lot: str) -> str:
    """Keep a lot in the state that it has, beside others who keep it so, and return the state."""
    return str((await session.execute(_SHARE_LOT, {"lot": lot})).scalar_one())


async def add_lot(session: AsyncSession, project: str, number: int, now: datetime) -> str:
    """Open a lot, and return its id."""
    lot = f"{project}-{number:03}"
    named = {"lot": lot, "project": project, "number": number, "now": now}
    await session.execute(_ADD_LOT, named)
    return lot


async def set_lot(
    session: AsyncSession,
    lot: str,
    *,
    state: str,
    planted: int,
    surviving: int | None,
    now: datetime,
) -> None:
    """Move a lot on. It must be locked."""
    named = {"lot": lot, "state": state, "planted": planted, "surviving": surviving, "now": now}
    await session.execute(_SET_STATE, named)


async def is_known_report(session: AsyncSession, report: Report) -> bool:
    """Return whether the same report was recorded before."""
    named = {"lot": report.lot, "digest": report.digest}
    return (await session.execute(_KNOWN_REPORT, named)).scalar() is not None


async def add_report(session: AsyncSession, report: Report, now: datetime) -> None:
    """Record a report. Its lot must be locked.

    The id is later than the one before, also within one file.
    """
    report_id = uuid7(now)
    last = (await session.execute(_LAST_REPORT, {"lot": report.lot})).scalar()
    if last is not None and last >= report_id:
        report_id = UUID(int=last.int + 1)
    named = {
        "lot": report.lot,
        "id": report_id,
        "state": report.state,
        "on": report.on,
        "by": report.by,
        "planted": report.planted,
        "surviving": report.surviving,
        "photos": orjson.dumps(report.photos).decode(),
        "note": report.note,
        "digest": report.digest,
        "now": now,
    }
    await session.execute(_ADD_REPORT, named)


async def reports_of(session: AsyncSession, lot: str) -> Sequence[RowMapping]:
    """Return what was reported of a lot, oldest first."""
    return (await session.execute(_REPORTS, {"lot": lot})).mappings().all()


async def lots_to_plant(session: AsyncSession, partner: str | None) -> Sequence[RowMapping]:
    """Return every lot that was handed to its planting partner, with what to plant where."""
    return (await session.execute(_TO_PLANT, {"partner": partner})).mappings().all()

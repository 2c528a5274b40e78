"""Use case: points become a tree. Debit, stock and certificate are one transaction."""

from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from service.clock import uuid7
from service.errors import OutOfSeason, ProjectNotFound, SoldOut
from service.forest import store
from service.forest.serial import make_id, make_serial
from service.forest.store import Offer, TakenTree
from service.journal.append import JournalRow, Notice, append
from service.partners.person import BUCKETS, PersonId
from service.points.policy_file import NewAccounts
from service.points.spend import spend_points


@dataclass(frozen=True, slots=True)
class Placed:
    """An order just placed; the person's balance after it."""

    order_id: UUID
    serial: str
    lot: str
    points: int
    balance: int


async def place_order(
    session: AsyncSession,
    person: PersonId,
    *,
    project: str,
    partner: str,
    display_name: str | None,
    now: datetime,
    new_accounts: NewAccounts | None,
) -> Placed:
    """Buy one tree of a project for a person.

    Raises ProjectNotFound, OutOfSeason, SoldOut, NotEnoughPoints or PointsPending; then nothing is
    taken.
    """
    offer = await open_offer(session, project, now)
    if not offer.cells:
        raise sold_out(offer)  # known without a lock: a crowd that comes too late costs little
    order_id = make_id(now, person.bucket)
    ref = {"order_id": str(order_id), "project_id": project}
    balance = await spend_points(
        session, person, points=offer.price_points, ref=ref, now=now, new_accounts=new_accounts
    )
    tree = await take_tree(session, offer, near=person.bucket)
    serial = make_serial(person.bucket)
    await store.add_order(
        session,
        person,
        order=order_id,
        project=project,
        points=offer.price_points,
        serial=serial,
        tree=tree,
        partner=partner,
        display_name=display_name,
        now=now,
    )
    about = {"order_id": str(order_id), "project_id": project, "serial": serial, "lot": tree.lot}
    await announce(
        session,
        offer,
        tree,
        [
            Notice(
                "order.placed",
                partner,
                person.id,
                {**about, "points": offer.price_points, "placed_at": now.isoformat()},
            ),
            Notice("certificate.issued", partner, person.id, about),
        ],
        bucket=person.bucket,
        kind="order",
        now=now,
    )
    return Placed(order_id, serial, tree.lot, offer.price_points, balance)


async def open_offer(session: AsyncSession, project: str, now: datetime) -> Offer:
    """Return a project whose trees can be had now. Raises ProjectNotFound or OutOfSeason."""
    offer = await find_offer(session, project)
    check_season(offer, offer.day_at(now))
    return offer


async def find_offer(session: AsyncSession, project: str) -> Offer:
    """Return a project, whatever its season. Raises ProjectNotFound."""
    offer = await store.find_offer(session, project)
    if offer is None:
        raise ProjectNotFound(f"There is no project {project!r}. GET /v1/projects lists them.")
    return offer


def check_season(offer: Offer, day: date) -> None:
    """Raise OutOfSeason unless the project is open and `day` is in its season."""
    if not offer.is_open:
        raise OutOfSeason(f"{offer.name} is closed. GET /v1/projects shows which are open.")
    if not offer.season.holds(day):
        start = offer.season.next_start(day)
        then = "There is no further season" if start is None else f"The next season is {start}"
        raise OutOfSeason(f"{offer.name} has no season on {day}. {then}.")


def sold_out(offer: Offer) -> SoldOut:
    """Return the problem of coming too late."""
    return SoldOut(f"Every tree of {offer.name} is sold. GET /v1/projects shows what is left.")


async def take_tree(session: AsyncSession, offer: Offer, *, near: int) -> TakenTree:
    """Take one tree from the stock; the account must be locked. Raises SoldOut.

    Cells are tried from the person's bucket on: first those that are not locked, then each in turn.
    So people wait for each other only over the last trees, and `SoldOut` is said only when every
    cell was seen empty with its lock in hand, and none has a tree again.
    """
    cells = offer.cells
    while cells:
        in_order = sorted(cells, key=lambda cell: (cell - near) % BUCKETS)
        for in_turn in (False, True):
            for cell in in_order:
                tree = await store.take_from_cell(session, offer.project, cell, in_turn=in_turn)
                if tree is not None:
                    return tree
        cells = await store.open_cells(session, offer.project)
    raise sold_out(offer)


async def announce(
    session: AsyncSession,
    offer: Offer,
    tree: TakenTree,
    notices: list[Notice],
    *,
    bucket: int,
    kind: str,
    now: datetime,
) -> None:
    """Append the journal row of a sale; with it that the project sold out, if this was the last.

    Orders that empty a cell wait here for each other, so that only the last of them sees all cells
    empty: the project is announced as sold out once for each time that its stock runs out.
    """
    if tree.emptied:
        await store.lock_project(session, offer.project)
        if not await store.open_cells(session, offer.project):
            data = {"project_id": offer.project, "sold_out_at": now.isoformat()}
            notices = [*notices, Notice("project.sold_out", None, None, data)]
    await append(
        session,
        JournalRow(
            bucket=bucket,
            batch_id=uuid7(now),
            kind=kind,
            actions=0,
            people=0,
            deltas={},
            leaves=b"",
            notices=notices,
        ),
    )

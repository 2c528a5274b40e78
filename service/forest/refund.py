"""Use case: an order is undone before its tree is planted."""

from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from service.clock import uuid7
from service.errors import OrderNotFound, OrderPlanted
from service.forest import store
from service.forest.lot import REFUNDABLE
from service.forest.serial import bucket_in
from service.forest.store import Order
from service.journal.append import JournalRow, Notice, append
from service.partners.caller import Caller
from service.partners.person import PersonHasher
from service.points.spend import give_back
from service.points.store import balance_of, lock_account


async def find_order(
    session: AsyncSession, order_id: UUID, caller: Caller, hasher: PersonHasher
) -> Order:
    """Return an order that the caller may see: a person's own, a partner's own, or for `admin` any.

    Raises OrderNotFound, also when it is somebody else's.
    """
    order = await store.find_order(session, bucket_in(order_id), order_id)
    if order is not None and _may_see(order, caller, hasher):
        return order
    raise OrderNotFound(f"There is no order {order_id}, or it belongs to somebody else.")


def _may_see(order: Order, caller: Caller, hasher: PersonHasher) -> bool:
    if caller.subject is not None:
        return order.person == hasher.person(caller.subject)
    return order.partner == caller.partner or caller.may("admin")


async def refund_order(session: AsyncSession, order: Order, *, now: datetime) -> tuple[Order, int]:
    """Give the points back, put the tree back into the stock and void the certificate.

    Endpoints of the partner that placed the order get a notice.

    Returns the order and the balance.

    Idempotent: an order is refunded once. Raises OrderPlanted once its lot is planted: the lot is
    kept in its state for this transaction, so that planting and refund exclude each other.
    """
    await lock_account(session, order.person, now)
    found = await store.find_order(session, order.bucket, order.order_id)
    assert found is not None  # orders stay
    if found.refunded_at is not None:
        return found, await balance_of(session, order.person)
    state = await store.share_lot(session, found.lot)
    if state not in REFUNDABLE:
        raise OrderPlanted(
            f"The tree of this order is in the lot {found.lot}, which is {state}. It stays."
        )
    ref = {"order_id": str(found.order_id), "project_id": found.project}
    balance = await give_back(session, found.person, points=found.points, ref=ref, now=now)
    await store.put_back(session, found.project, found.cell)
    await store.void_order(session, found, now)
    await append(session, _journal_row(found, now))
    refunded = await store.find_order(session, order.bucket, order.order_id)
    assert refunded is not None
    return refunded, balance


def _journal_row(order: Order, now: datetime) -> JournalRow:
    """Return the journal row of a refund: it takes no action and no carbon back."""
    data = {
        "order_id": str(order.order_id),
        "project_id": order.project,
        "serial": order.serial,
        "lot": order.lot,
        "points": order.points,
        "refunded_at": now.isoformat(),
    }
    return JournalRow(
        bucket=order.bucket,
        batch_id=uuid7(now),
        kind="refund",
        actions=0,
        people=0,
        deltas={},
        leaves=b"",
        notices=[Notice("order.refunded", order.partner, order.person_id, data)],
    )

"""HTTP for trees: projects, orders, and the routers of pools, lots and the catalogue."""

from datetime import datetime
from typing import Annotated
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends

from service.forest import admin_routes, pool_routes, pool_store, store
from service.forest.catalogue import find_project, find_projects
from service.forest.dependencies import person_in_body
from service.forest.redeem import place_order
from service.forest.refund import find_order, refund_order
from service.forest.schemas import (
    NewName,
    NewOrder,
    OrderPlaced,
    OrderRefunded,
    OrderView,
    PoolOfPerson,
    Projects,
    ProjectView,
    SeasonWindow,
    SpeciesView,
    TreeFigures,
)
from service.forest.season import Season, read_windows
from service.forest.store import Order
from service.forest.tables import Project, Species
from service.http.dependencies import Now, Transaction
from service.http.pages import Page, Paging, as_found, newest_first
from service.http.problems import documented
from service.partners.dependencies import ThisCaller, ThisHasher, ThisPerson
from service.partners.idempotent import idempotent
from service.partners.person import PersonId
from service.points.dependencies import ThisNewAccounts

router = APIRouter()
projects_router = APIRouter(
    prefix="/v1/projects", tags=["Trees"], responses=documented(404, 422, 503)
)
orders_router = APIRouter(
    prefix="/v1", tags=["Trees"], responses=documented(401, 403, 404, 422, 503)
)

_JSON = "application/json"


@projects_router.get("")
async def projects(session: Transaction, now: Now) -> Projects:
    """Every project, by name."""
    rows = await find_projects(session, None)
    return Projects(data=[_view(*row, now) for row in rows], next_cursor=None)


@projects_router.get("/{project_id}")
async def project(project_id: str, session: Transaction, now: Now) -> ProjectView:
    """One project."""
    return _view(*await find_project(session, project_id), now)


def _view(
    project: Project, species: Species, figures: dict[str, int], now: datetime
) -> ProjectView:
    season = Season(project.opens_on, project.closes_on, read_windows(project.seasons))
    day = now.astimezone(ZoneInfo(project.time_zone)).date()
    return ProjectView(
        project_id=project.project,
        name=project.name,
        species=SpeciesView(**species.model_dump()),
        place=project.place,
        region=project.region,
        planting_partner=project.planting_partner,
        price_points=project.price_points,
        opens_on=project.opens_on,
        closes_on=project.closes_on,
        seasons=[SeasonWindow.model_validate(one) for one in project.seasons],
        time_zone=project.time_zone,
        is_open=project.is_open,
        in_season=project.is_open and season.holds(day),
        next_season=season.next_start(day),
        stock=project.stock,
        stock_left=project.stock - figures["contracted"],
        trees=TreeFigures(**figures),
    )


@orders_router.post("/orders", status_code=201, responses=documented(409, 410))
@idempotent("order", "{person.id}", "{body}", person=person_in_body)
async def order(
    body: NewOrder,
    person: PersonId,
    caller: ThisCaller,
    session: Transaction,
    now: Now,
    new_accounts: ThisNewAccounts,
) -> OrderPlaced:
    """Spend points on a tree. Debit, stock and certificate happen together or not at all."""
    placed = await place_order(
        session,
        person,
        project=body.project_id,
        partner=caller.partner,
        display_name=body.display_name,
        now=now,
        new_accounts=new_accounts,
    )
    return OrderPlaced(
        order_id=placed.order_id,
        project_id=body.project_id,
        points=placed.points,
        serial=placed.serial,
        certificate_url=f"/v1/certificates/{placed.serial}",
        display_name=body.display_name,
        lot=placed.lot,
        lot_state="pledged",
        state="placed",
        placed_at=now,
        refunded_at=None,
        balance=placed.balance,
    )


async def _order_of(
    order_id: UUID, caller: ThisCaller, hasher: ThisHasher, session: Transaction
) -> Order:
    """The order in the path, as far as the caller may act on it."""
    caller.need_to_act()
    return await find_order(session, order_id, caller, hasher)


ThisOrder = Annotated[Order, Depends(_order_of)]


@orders_router.get("/orders/{order_id}")
async def one_order(found: ThisOrder) -> OrderView:
    """One order: a person's own, or one that the partner placed."""
    return OrderView(**_shown(found))


@orders_router.patch("/orders/{order_id}")
async def rename(
    order_id: UUID, body: NewName, caller: ThisCaller, hasher: ThisHasher, session: Transaction
) -> OrderView:
    """Change the name that the certificate shows, or take it away."""
    caller.need_to_act()
    found = await find_order(session, order_id, caller, hasher)
    await store.rename_certificate(session, found.bucket, found.serial, body.display_name)
    return OrderView(**_shown(await find_order(session, order_id, caller, hasher)))


@orders_router.post("/orders/{order_id}/refund", responses=documented(409, 410))
@idempotent("refund", "{order_id}", found=_order_of)
async def refund(
    found: Order,
    session: Transaction,
    now: Now,
) -> OrderRefunded:
    """Undo an order before its tree is planted: points back, certificate void."""
    refunded, balance = await refund_order(session, found, now=now)
    return OrderRefunded(**_shown(refunded), balance=balance)


@orders_router.get("/people/{subject}/orders")
async def orders(person: ThisPerson, session: Transaction, page: Paging) -> Page[OrderView]:
    """A person's orders, newest first."""
    return await page.of(
        newest_first("order_id"),
        lambda before, limit: store.orders_before(session, person, before=before, limit=limit),
        lambda row: OrderView(**_shown(row)),
    )


@orders_router.get("/people/{subject}/pools")
async def pools(person: ThisPerson, session: Transaction, page: Paging) -> Page[PoolOfPerson]:
    """Pools that a person is in, newest first; those that they left are not shown."""

    async def find(before: UUID, limit: int) -> list[PoolOfPerson]:
        rows = await pool_store.pools_before(session, person, before=before, limit=limit)
        return [PoolOfPerson(**pool_routes.shown(pool), your_points=own) for pool, own in rows]

    return await page.of(newest_first("pool_id"), find, as_found)


def _shown(order: Order) -> dict[str, object]:
    return {
        "order_id": order.order_id,
        "project_id": order.project,
        "points": order.points,
        "serial": order.serial,
        "certificate_url": f"/v1/certificates/{order.serial}",
        "display_name": order.display_name,
        "lot": order.lot,
        "lot_state": order.lot_state,
        "state": "placed" if order.refunded_at is None else "refunded",
        "placed_at": order.placed_at,
        "refunded_at": order.refunded_at,
    }


for part in (projects_router, orders_router, pool_routes.router, admin_routes.router):
    router.include_router(part)

"""SQL of links, codes and customers' routes. No decisions, no commit, no HTTP."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import RowMapping, text
from sqlalchemy.ext.asyncio import AsyncSession

from service.customers.route import Route, account_of, route_of
from service.partners.person import PersonId

_PUT_CODE = text("""
    INSERT INTO link_code (bucket, code_key, partner, customer_id, scenario, text_version,
                           expires_at)
    VALUES (:bucket, :code, :partner, :customer, :scenario, :text_version, :expires_at)
""")
_CODE = """
    SELECT partner, customer_id, scenario, text_version, expires_at, link_id FROM link_code
    WHERE bucket = :bucket AND code_key = :code
"""
_FIND_CODE = text(_CODE)
_LOCK_CODE = text(f"{_CODE} FOR UPDATE")
_USE_CODE = text("""
    UPDATE link_code SET link_id = :link WHERE bucket = :bucket AND code_key = :code
""")
_FORGET_CODES = text("DELETE FROM link_code WHERE expires_at < :before")
_PUT_ROUTE = text("""
    INSERT INTO customer_route (bucket, customer_id, partner, generation, account_id, earlier)
    VALUES (:bucket, :customer, :partner, 0, :customer, '{}') ON CONFLICT DO NOTHING
""")
_LOCK_ROUTE = text("""
    SELECT partner, generation, account_id, link_id, earlier FROM customer_route
    WHERE bucket = :bucket AND customer_id = :customer FOR UPDATE
""")
_FIND_ROUTES = text("""
    SELECT customer_id, account_id, link_id, earlier
    FROM unnest(CAST(:buckets AS int2[]), CAST(:customers AS uuid[])) AS input(bucket, customer_id)
    JOIN customer_route USING (bucket, customer_id)
""")
_CHANGE_ROUTE = text("""
    UPDATE customer_route SET account_id = :account, link_id = :link, generation = :generation,
        earlier = CASE WHEN account_id = ANY (earlier) THEN earlier ELSE earlier || account_id END
    WHERE bucket = :bucket AND customer_id = :customer
""")
_PUT_LINK = text("""
    INSERT INTO link (bucket, person_id, link_id, partner, customer_id, waiting_id, scenario,
                      text_version, linked_at, salt)
    VALUES (:bucket, :person, :link, :partner, :customer, :waiting, :scenario, :text_version,
            :now, :salt)
""")
_PUT_END = text("""
    INSERT INTO link_end (bucket, person_id, link_id, ended_at, salt)
    VALUES (:bucket, :person, :link, :now, :salt)
""")
_LINK = """
    SELECT link.link_id, link.partner, customer_id, waiting_id, scenario, text_version, linked_at,
           ended_at
    FROM link LEFT JOIN link_end USING (bucket, person_id, link_id)
    WHERE link.bucket = :bucket AND link.person_id = :person
"""
_FIND_LINK = text(f"{_LINK} AND link.link_id = :link")
_LINKS = text(f"{_LINK} AND link.link_id < :before ORDER BY link.link_id DESC LIMIT :limit")
_MOVED = text("""
    SELECT DISTINCT waiting_id FROM link WHERE bucket = :bucket AND person_id = :person
""")


def _named(person: PersonId, **more: object) -> dict[str, object]:
    return {"bucket": person.bucket, "person": person.id, **more}


async def put_code(
    session: AsyncSession,
    code: PersonId,
    *,
    partner: str,
    customer_id: UUID,
    scenario: str,
    text_version: str,
    expires_at: datetime,
) -> None:
    """Store a code's hash and what it asks for."""
    parameters = {
        "bucket": code.bucket,
        "code": code.id,
        "partner": partner,
        "customer": customer_id,
        "scenario": scenario,
        "text_version": text_version,
        "expires_at": expires_at,
    }
    await session.execute(_PUT_CODE, parameters)


async def find_code(
    session: AsyncSession, code: PersonId, *, lock: bool = False
) -> RowMapping | None:
    """Return what a code asks for, and lock it for this transaction when asked."""
    query = _LOCK_CODE if lock else _FIND_CODE
    found = await session.execute(query, {"bucket": code.bucket, "code": code.id})
    return found.mappings().one_or_none()


async def use_code(session: AsyncSession, code: PersonId, link_id: UUID) -> None:
    """Remember the link that a code became. It must be locked."""
    await session.execute(_USE_CODE, {"bucket": code.bucket, "code": code.id, "link": link_id})


async def forget_codes(session: AsyncSession, before: datetime) -> None:
    """Drop codes that ended before a time."""
    await session.execute(_FORGET_CODES, {"before": before})


async def lock_route(session: AsyncSession, customer: PersonId, partner: str) -> RowMapping:
    """Lock a customer's route for this transaction, making the first one."""
    named = {"bucket": customer.bucket, "customer": customer.id}
    await session.execute(_PUT_ROUTE, {**named, "partner": partner})
    return (await session.execute(_LOCK_ROUTE, named)).mappings().one()


async def change_route(
    session: AsyncSession,
    customer: PersonId,
    account: PersonId,
    *,
    link_id: UUID | None,
    generation: int,
) -> None:
    """Send a locked customer's new events to another account; the one so far becomes earlier."""
    await session.execute(
        _CHANGE_ROUTE,
        {
            "bucket": customer.bucket,
            "customer": customer.id,
            "account": account.id,
            "link": link_id,
            "generation": generation,
        },
    )


async def find_routes(session: AsyncSession, customers: Sequence[PersonId]) -> dict[UUID, Route]:
    """Return the routes of those of the customers who were ever linked."""
    parameters = {
        "buckets": [one.bucket for one in customers],
        "customers": [one.id for one in customers],
    }
    return {
        row.customer_id: route_of(row.account_id, row.link_id, row.earlier)
        for row in await session.execute(_FIND_ROUTES, parameters)
    }


async def put_link(
    session: AsyncSession,
    person: PersonId,
    *,
    link_id: UUID,
    partner: str,
    customer_id: UUID,
    waiting_id: UUID,
    scenario: str,
    text_version: str,
    salt: bytes,
    now: datetime,
) -> None:
    """Write a consent as a fact. The person's account must be locked."""
    parameters = _named(
        person,
        link=link_id,
        partner=partner,
        customer=customer_id,
        waiting=waiting_id,
        scenario=scenario,
        text_version=text_version,
        salt=salt,
        now=now,
    )
    await session.execute(_PUT_LINK, parameters)


async def put_end(
    session: AsyncSession, person: PersonId, *, link_id: UUID, salt: bytes, now: datetime
) -> None:
    """Write the end of a consent as a fact. The person's account must be locked."""
    await session.execute(_PUT_END, _named(person, link=link_id, salt=salt, now=now))


async def find_link(session: AsyncSession, person: PersonId, link_id: UUID) -> RowMapping | None:
    """Return a person's link, ended or not."""
    return (
        (await session.execute(_FIND_LINK, _named(person, link=link_id))).mappings().one_or_none()
    )


async def links_before(
    session: AsyncSession, person: PersonId, *, before: UUID, limit: int
) -> Sequence[RowMapping]:
    """Return a person's links before an id, newest first, ended ones among them."""
    parameters = _named(person, before=before, limit=limit)
    return (await session.execute(_LINKS, parameters)).mappings().all()


async def accounts_of(session: AsyncSession, person: PersonId) -> list[PersonId]:
    """Return a person's account, and the waiting accounts that moved to it: facts stay in them."""
    found = await session.execute(_MOVED, _named(person))
    return [person, *map(account_of, found.scalars())]


async def customers_accounts(
    session: AsyncSession, customers: Sequence[PersonId]
) -> list[PersonId]:
    """Return all accounts that events of these customers ever went to."""
    routes = await find_routes(session, customers)
    found = dict.fromkeys(customers)
    for route in routes.values():
        found.update(dict.fromkeys((route.account, *route.earlier)))
    return list(found)

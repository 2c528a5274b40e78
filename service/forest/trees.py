"""Trees, counted: those of everybody, and a person's. No decisions."""

from sqlalchemy import RowMapping, text
from sqlalchemy.ext.asyncio import AsyncSession

from service.partners.person import PersonId

_OF_ALL = text("""
    SELECT (SELECT coalesce(sum(sold), 0) FROM stock_cell)::int8 AS contracted,
           coalesce(sum(planted), 0)::int8 AS planted,
           coalesce(sum(surviving), 0)::int8 AS surviving FROM lot
""")
# Of each lot the person's share, rounded down: survival is counted by lot, not by tree. As long as
# nothing is planted in a lot, its trees need not be counted.
_OF_PERSON = text("""
    WITH mine AS (
        SELECT lot, count(order_id) AS own, count(pool_id) AS shared FROM (
            SELECT lot, certificate.order_id, pool_id
            FROM tree_order JOIN certificate USING (bucket, serial)
            WHERE tree_order.bucket = :bucket AND person_id = :person AND refunded_at IS NULL
            UNION ALL
            SELECT lot, order_id, certificate.pool_id
            FROM pool_member JOIN pool USING (bucket, pool_id)
            JOIN certificate USING (bucket, serial)
            WHERE person_bucket = :bucket AND person_id = :person AND pool_member.points > 0
        ) AS tree GROUP BY lot
    )
    SELECT sum(own)::int8 AS contracted, sum(own * planted / entire)::int8 AS planted,
           sum(own * surviving / entire)::int8 AS surviving,
           sum(shared)::int8 AS shared_contracted, sum(shared * planted / entire)::int8
               AS shared_planted, sum(shared * surviving / entire)::int8 AS shared_surviving
    FROM mine JOIN lot USING (lot)
    CROSS JOIN LATERAL (SELECT nullif(count(*), 0) AS entire FROM certificate
          WHERE certificate.lot = mine.lot AND voided_at IS NULL AND lot.planted > 0) AS counted
""")


async def count_trees(session: AsyncSession) -> RowMapping:
    """Trees of all projects: contracted, planted and surviving are separate figures."""
    return (await session.execute(_OF_ALL)).mappings().one()


async def trees_of(
    session: AsyncSession, person: PersonId
) -> tuple[dict[str, int], dict[str, int]]:
    """Return a person's own trees, and those of complete pools that they have points in.

    Refunded orders are left out.
    """
    named = {"bucket": person.bucket, "person": person.id}
    found = (await session.execute(_OF_PERSON, named)).mappings().one()
    own, shared = (
        {name: found[f"{prefix}{name}"] or 0 for name in ("contracted", "planted", "surviving")}
        for prefix in ("", "shared_")
    )
    return own, shared

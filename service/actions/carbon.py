"""A person's estimated avoided emissions, added up from their actions. No decisions."""

from collections.abc import Sequence

from sqlalchemy import RowMapping, text
from sqlalchemy.ext.asyncio import AsyncSession

from service.customers.store import accounts_of
from service.partners.person import PersonId

# L0 earns points only and is in no carbon total; what sits in somebody's inventory is kept apart.
_CARBON = text("""
    SELECT action.activity, count(*) AS actions,
           sum(coalesce(newest.avoided_mg, action.avoided_mg))::int8 AS avoided_mg
    FROM action LEFT JOIN LATERAL (
        SELECT avoided_mg FROM restatement
        WHERE restatement.bucket = action.bucket AND restatement.person_id = action.person_id
          AND restatement.action_id = action.action_id
        ORDER BY sequence DESC LIMIT 1
    ) AS newest ON true
    WHERE action.bucket = ANY (CAST(:buckets AS int2[]))
      AND action.person_id = ANY (CAST(:people AS uuid[]))
      AND action.outcome IN ('credited', 'capped', 'zero')
      AND action.evidence_level <> 'L0' AND action.scope = '3+'
      AND NOT EXISTS (
          SELECT 1 FROM reversal WHERE reversal.bucket = action.bucket
          AND reversal.person_id = action.person_id AND reversal.action_id = action.action_id)
      AND NOT EXISTS (
          SELECT 1 FROM transfer WHERE transfer.bucket = action.bucket
          AND transfer.person_id = action.person_id AND transfer.action_id = action.action_id)
    GROUP BY action.activity ORDER BY action.activity
""")


async def carbon_of(session: AsyncSession, person: PersonId) -> Sequence[RowMapping]:
    """Return a person's estimated avoided emissions by activity, as far as they are in the total.

    L1 and above, Scope 3+, neither reversed nor transferred. A partner's held day still counts
    here: a hold is about the batch, not about the person. What came through a link counts, too.
    """
    accounts = await accounts_of(session, person)
    named = {
        "buckets": [one.bucket for one in accounts],
        "people": [one.id for one in accounts],
    }
    return (await session.execute(_CARBON, named)).mappings().all()

"""SQL that adds up the facts and the daily totals, to be compared. Reads only; no decisions."""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from service.totals.store import ALL_DELTAS, SUMMED, WHATS
from service.totals.sums import Sum

# An action keeps the region that was asked for, a cell of the totals the one of the methodology's
# rule: the two sides are compared over all regions.
_FACT_KEY = "local_day, activity, methodology, version, partner, evidence_level, scope"
# What another scheme counts is kept apart, whatever it was before.
_SCOPE = "CASE WHEN transfer.action_id IS NULL THEN scope ELSE 'transferred' END"
_TRANSFERRED = """
        LEFT JOIN transfer ON transfer.bucket = action.bucket
            AND transfer.person_id = action.person_id AND transfer.action_id = action.action_id
"""
_FACTS = text(f"""
    SELECT {_FACT_KEY}, {SUMMED} FROM (
        SELECT action.local_day, activity, split_part(methodology, '@', 1) AS methodology,
               split_part(methodology, '@', 2) AS version, action.partner, evidence_level,
               {_SCOPE} AS scope,
               1 AS actions, gross_mg, avoided_mg, uncertainty_mg, points::int8
        FROM action {_TRANSFERRED}
        WHERE outcome IN ('credited', 'capped', 'zero')
        UNION ALL
        SELECT action.local_day, action.activity, split_part(moved.methodology, '@', 1),
               split_part(moved.methodology, '@', 2), action.partner, evidence_level, {_SCOPE},
               moved.sign, moved.sign * moved.gross_mg, moved.sign * moved.avoided_mg,
               moved.sign * moved.uncertainty_mg, moved.sign * action.points::int8
        FROM restatement AS done JOIN action ON action.bucket = done.bucket
            AND action.person_id = done.person_id AND action.action_id = done.action_id
            AND action.local_day = done.local_day
        {_TRANSFERRED}
        CROSS JOIN LATERAL (VALUES
            (-1, old_methodology, old_gross_mg, old_avoided_mg, old_uncertainty_mg),
            (1, done.methodology, done.gross_mg, done.avoided_mg, done.uncertainty_mg)
        ) AS moved(sign, methodology, gross_mg, avoided_mg, uncertainty_mg)
        UNION ALL
        SELECT action.local_day, action.activity,
               split_part(coalesce(newest.methodology, action.methodology), '@', 1),
               split_part(coalesce(newest.methodology, action.methodology), '@', 2),
               action.partner, evidence_level, {_SCOPE}, -1, -reversal.gross_mg,
               -reversal.avoided_mg,
               -coalesce(newest.uncertainty_mg, action.uncertainty_mg), -reversal.points::int8
        FROM reversal JOIN action ON action.bucket = reversal.bucket
            AND action.person_id = reversal.person_id AND action.action_id = reversal.action_id
            AND action.local_day = reversal.local_day
        {_TRANSFERRED}
        LEFT JOIN LATERAL (
            SELECT methodology, uncertainty_mg FROM restatement
            WHERE restatement.bucket = reversal.bucket
              AND restatement.person_id = reversal.person_id
              AND restatement.action_id = reversal.action_id
            ORDER BY sequence DESC LIMIT 1
        ) AS newest ON true
        UNION ALL
        SELECT {_FACT_KEY}, {WHATS} FROM ({ALL_DELTAS} WHERE journal.kind = 'hold') AS moved
    ) AS fact GROUP BY {_FACT_KEY}
""")

_DAYS = text(f"SELECT {_FACT_KEY}, {SUMMED} FROM total_day GROUP BY {_FACT_KEY}")


async def sums_of_facts(session: AsyncSession) -> dict[tuple[object, ...], Sum]:
    """Return actions, restatements and reversals added up, by day and all but the region."""
    return {row[:-5]: Sum(*row[-5:]) for row in (await session.execute(_FACTS))}


async def sums_of_days(session: AsyncSession) -> dict[tuple[object, ...], Sum]:
    """Return the daily totals, by day and all but the region."""
    return {row[:-5]: Sum(*row[-5:]) for row in (await session.execute(_DAYS))}

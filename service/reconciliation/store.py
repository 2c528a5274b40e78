"""SQL that adds up the facts and the daily totals, to be compared. Reads only; no decisions."""

from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession

from service.journal.cell import JSON_COLUMNS, MEASURED, SHOWN, SHOWN_COLUMNS, Amounts, Cell, summed
from service.totals.store import ALL_DELTAS

# An action keeps the region that was asked for, a cell of the totals the one of the methodology's
# rule: the two sides are compared over all regions.
_FACT_KEY = ", ".join(name for name in Cell._fields if name != "region")
# What another scheme counts is kept apart, whatever it was before; corroborated carbon is L2.
_SCOPE = "CASE WHEN transfer.action_id IS NULL THEN scope ELSE 'transferred' END"
_LEVEL = "CASE WHEN corroboration.is_first THEN 'L2' ELSE evidence_level END"
_BECAME = """
        LEFT JOIN corroboration ON corroboration.bucket = action.bucket
            AND corroboration.person_id = action.person_id
            AND corroboration.action_id = action.action_id
        LEFT JOIN transfer ON transfer.bucket = action.bucket
            AND transfer.person_id = action.person_id AND transfer.action_id = action.action_id
"""
_MEASURED = ", ".join(MEASURED)
_OLD = ", ".join(f"old_{name}" for name in MEASURED)
_NEW = ", ".join(f"done.{name}" for name in MEASURED)
_MOVED = ", ".join(f"moved.sign * moved.{name}" for name in MEASURED)
_KEPT_BY_REVERSAL = ("gross_mg", "avoided_mg")
_TAKEN_BACK = ", ".join(
    f"-reversal.{name}" if name in _KEPT_BY_REVERSAL else f"-coalesce(newest.{name}, action.{name})"
    for name in MEASURED
)
_FACTS = text(f"""
    SELECT {_FACT_KEY}, {summed(SHOWN)} FROM (
        SELECT action.local_day, activity, split_part(methodology, '@', 1) AS methodology,
               split_part(methodology, '@', 2) AS version, action.partner,
               {_LEVEL} AS evidence_level, {_SCOPE} AS scope,
               1 AS actions, {_MEASURED}, points::int8
        FROM action {_BECAME}
        WHERE outcome IN ('credited', 'capped', 'zero')
        UNION ALL
        SELECT action.local_day, action.activity, split_part(moved.methodology, '@', 1),
               split_part(moved.methodology, '@', 2), action.partner, {_LEVEL}, {_SCOPE},
               moved.sign, {_MOVED}, moved.sign * action.points::int8
        FROM restatement AS done JOIN action ON action.bucket = done.bucket
            AND action.person_id = done.person_id AND action.action_id = done.action_id
            AND action.local_day = done.local_day
        {_BECAME}
        CROSS JOIN LATERAL (VALUES
            (-1, old_methodology, {_OLD}), (1, done.methodology, {_NEW})
        ) AS moved(sign, methodology, {_MEASURED})
        UNION ALL
        SELECT action.local_day, action.activity,
               split_part(coalesce(newest.methodology, action.methodology), '@', 1),
               split_part(coalesce(newest.methodology, action.methodology), '@', 2),
               action.partner, {_LEVEL}, {_SCOPE}, -1, {_TAKEN_BACK},
               -reversal.points::int8
        FROM reversal JOIN action ON action.bucket = reversal.bucket
            AND action.person_id = reversal.person_id AND action.action_id = reversal.action_id
            AND action.local_day = reversal.local_day
        {_BECAME}
        LEFT JOIN LATERAL (
            SELECT methodology, {_MEASURED} FROM restatement
            WHERE restatement.bucket = reversal.bucket
              AND restatement.person_id = reversal.person_id
              AND restatement.action_id = reversal.action_id
            ORDER BY sequence DESC LIMIT 1
        ) AS newest ON true
        UNION ALL
        SELECT {_FACT_KEY}, {SHOWN_COLUMNS} FROM ({ALL_DELTAS} WHERE journal.kind = 'hold') AS moved
    ) AS fact GROUP BY {_FACT_KEY}
""")

_DAYS = text(f"SELECT {_FACT_KEY}, {summed(SHOWN)} FROM total_day GROUP BY {_FACT_KEY}")

# Counts what differs, day by day.
CLOSED_DAYS = f"""
    SELECT count(*) FROM (
        SELECT recorded_on, {summed(SHOWN)} FROM (
            SELECT (journal.recorded_at AT TIME ZONE 'UTC')::date AS recorded_on, delta.*
            FROM journal CROSS JOIN LATERAL jsonb_to_recordset(journal.deltas)
                AS delta({JSON_COLUMNS})
        ) AS added
        WHERE recorded_on <= (SELECT max(closed.recorded_on) FROM journal_day_closed AS closed)
        GROUP BY 1
    ) AS rows FULL JOIN (
        SELECT recorded_on, {summed(SHOWN)} FROM journal_day GROUP BY 1
    ) AS closed USING (recorded_on)
    WHERE rows IS DISTINCT FROM closed
"""


async def sums_of_facts(session: AsyncSession) -> dict[tuple[object, ...], Amounts]:
    """Return actions, restatements and reversals added up, by day and all but the region."""
    return {_key(row): _amounts(row) for row in await session.execute(_FACTS)}


async def sums_of_days(session: AsyncSession) -> dict[tuple[object, ...], Amounts]:
    """Return the daily totals, by day and all but the region."""
    return {_key(row): _amounts(row) for row in await session.execute(_DAYS)}


def _key(row: Row[Any]) -> tuple[object, ...]:
    return tuple(row[: -len(SHOWN)])


def _amounts(row: Row[Any]) -> Amounts:
    return Amounts.of_shown(row[-len(SHOWN) :])

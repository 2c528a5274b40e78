"""SQL of the guards. No decisions, no commit, no HTTP."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import Row, RowMapping, text
from sqlalchemy.ext.asyncio import AsyncSession

from service.journal.cell import FIGURES, Amounts, Cell

GUARD_LOCK = 0x5A78_0004  # one guard at a time: two would move the same carbon twice
_CELL = ", ".join(f"total_day.{name}" for name in Cell._fields)
_FIGURES = ", ".join(f"total_day.{name}" for name in FIGURES)
_IS_EMPTY = " AND ".join(f"total_day.{name} = 0" for name in FIGURES)
_ORDER = "opened_at DESC, partner DESC, activity DESC, local_day DESC"

_TRY_LOCK = text("SELECT pg_try_advisory_xact_lock(:lock)")
_MOVING = text("""
    SELECT EXISTS (
        SELECT 1 FROM journal_pending JOIN journal USING (bucket, batch_id)
        WHERE projector = 'total_day' AND kind = 'hold')
""")

# What changed since the last look, summed over versions, regions and levels. A mean is one of what
# was credited: people who reach a sheet's limit do not make their partner's reports implausible.
_MEANS = text("""
    SELECT partner, activity, local_day, sum(actions - limited)::int8 AS actions,
           div(sum(avoided_mg), nullif(sum(actions - limited), 0))::int8 AS mean_mg
    FROM total_day
    WHERE scope IN ('3+', 'held') AND evidence_level <> 'L0'
      AND (partner, activity, local_day) IN (
          SELECT partner, activity, local_day FROM total_day
          WHERE changed_at >= :since AND activity = ANY (CAST(:activities AS text[])))
    GROUP BY partner, activity, local_day HAVING sum(actions - limited) >= :least
""")
_OPEN = text("""
    INSERT INTO hold (partner, activity, local_day, actions, mean_mg, least_mg, most_mg, opened_at)
    VALUES (:partner, :activity, :day, :actions, :mean_mg, :least_mg, :most_mg, :now)
    ON CONFLICT DO NOTHING RETURNING 1
""")
_TO_HOLD = text(f"""
    SELECT {_CELL}, {_FIGURES} FROM total_day JOIN hold USING (partner, activity, local_day)
    WHERE released_at IS NULL AND scope = '3+' AND evidence_level <> 'L0'
      AND NOT ({_IS_EMPTY})
    LIMIT :limit
""")
_TO_RELEASE = text(f"""
    SELECT {_CELL}, {_FIGURES} FROM total_day JOIN hold USING (partner, activity, local_day)
    WHERE released_at IS NOT NULL AND scope = 'held'
      AND NOT ({_IS_EMPTY})
    LIMIT :limit
""")
_RELEASE = text("""
    UPDATE hold SET released_at = :now, released_by = :by, reason = :reason
    WHERE partner = :partner AND activity = :activity AND local_day = :day AND released_at IS NULL
    RETURNING *
""")
_ONE = text("""
    SELECT * FROM hold WHERE partner = :partner AND activity = :activity AND local_day = :day
""")
_LIST = text(f"""
    SELECT * FROM hold
    WHERE (opened_at, partner, activity, local_day)
          < (CAST(:opened_at AS timestamptz), CAST(:partner AS text), CAST(:activity AS text),
             CAST(:day AS date))
      AND (CAST(:active AS bool) IS NULL OR (released_at IS NULL) = CAST(:active AS bool))
      AND (CAST(:of AS text) IS NULL OR partner = CAST(:of AS text))
    ORDER BY {_ORDER} LIMIT :limit
""")
_ACTIVE = text("SELECT count(*) FROM hold WHERE released_at IS NULL")


async def lock_guard(session: AsyncSession) -> bool:
    """Return whether this transaction may guard: no other one does, and the journal is applied."""
    if not (await session.execute(_TRY_LOCK, {"lock": GUARD_LOCK})).scalar_one():
        return False
    return not (await session.execute(_MOVING)).scalar_one()


async def means(
    session: AsyncSession, *, activities: Sequence[str], since: datetime, least_actions: int
) -> Sequence[RowMapping]:
    """Credited milligrams an action, of partners' days that changed, with enough actions."""
    named = {"activities": activities, "since": since, "least": least_actions}
    return (await session.execute(_MEANS, named)).mappings().all()


async def open_hold(session: AsyncSession, row: RowMapping, *, bounds: tuple[int, int],
                    now: datetime) -> bool:  # fmt: skip
    """Hold a partner's day, unless it is held or was released; whether it is new."""
    named = {
        "partner": row["partner"],
        "activity": row["activity"],
        "day": row["local_day"],
        "actions": row["actions"],
        "mean_mg": row["mean_mg"],
        "least_mg": bounds[0],
        "most_mg": bounds[1],
        "now": now,
    }
    return (await session.execute(_OPEN, named)).scalar() is not None


async def cells_to_hold(session: AsyncSession, limit: int) -> list[tuple[Cell, Amounts]]:
    """Return cells of the total that belong to a hold."""
    return [_cell(row) for row in await session.execute(_TO_HOLD, {"limit": limit})]


async def cells_to_release(session: AsyncSession, limit: int) -> list[tuple[Cell, Amounts]]:
    """Return held cells whose hold was released."""
    return [_cell(row) for row in await session.execute(_TO_RELEASE, {"limit": limit})]


def _cell(row: Row[Any]) -> tuple[Cell, Amounts]:
    dimensions = len(Cell._fields)
    return Cell(*row[:dimensions]), Amounts(*row[dimensions:])


async def release(
    session: AsyncSession,
    *,
    partner: str,
    activity: str,
    day: date,
    by: str,
    reason: str,
    now: datetime,
) -> RowMapping | None:
    """Release an active hold; None when there is no active one."""
    named = {
        "partner": partner, "activity": activity, "day": day, "by": by, "reason": reason,
        "now": now,
    }  # fmt: skip
    return (await session.execute(_RELEASE, named)).mappings().one_or_none()


async def find(
    session: AsyncSession, *, partner: str, activity: str, day: date
) -> RowMapping | None:
    """Return a hold, active or released."""
    named = {"partner": partner, "activity": activity, "day": day}
    return (await session.execute(_ONE, named)).mappings().one_or_none()


async def holds_before(
    session: AsyncSession,
    *,
    before: tuple[datetime, str, str, date],
    active: bool | None,
    of: str | None,
    limit: int,
) -> Sequence[RowMapping]:
    """Return holds, newest first, before a cursor; of one partner, or of all."""
    opened_at, partner, activity, day = before
    named = {
        "opened_at": opened_at, "partner": partner, "activity": activity, "day": day,
        "active": active, "of": of, "limit": limit,
    }  # fmt: skip
    return (await session.execute(_LIST, named)).mappings().all()


async def active_holds(session: AsyncSession) -> int:
    """Return how many partners' days are held."""
    return int((await session.execute(_ACTIVE)).scalar_one())

"""SQL of the totals. No decisions, no commit, no HTTP."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import Row, RowMapping, text
from sqlalchemy.ext.asyncio import AsyncSession

from service.journal.cell import (
    DIMENSION_COLUMNS,
    FIGURE_COLUMNS,
    FIGURES,
    JSON_COLUMNS,
    LIVE_COLUMNS,
    SHOWN,
    SHOWN_COLUMNS,
    Amounts,
    Cell,
    LiveCell,
    summed,
)
from service.journal.take import TakenRow
from service.totals.sums import Sums

PROJECTION_LOCK = 0x5A78_0002  # shared: applying rows; exclusive: replacing a projection
CHECKPOINT_LOCK = 0x5A78_0012  # one process closes days at a time

_DELTAS = f"""
    SELECT {{figures}} FROM {{journal}},
        jsonb_to_recordset(journal.deltas) AS delta({JSON_COLUMNS})
"""
_SHOWN_OF_CELL = f"{DIMENSION_COLUMNS}, {SHOWN_COLUMNS}"
# A journal row has a number of actions, too: the delta's are meant.
_SHOWN_OF_DELTA = ", ".join(f"delta.{name}" for name in (*Cell._fields, *SHOWN))
ALL_DELTAS = _DELTAS.format(figures=_SHOWN_OF_DELTA, journal="journal")
_ALL_KEPT_DELTAS = _DELTAS.format(figures="delta.*", journal="journal")
_TAKEN_DELTAS = _DELTAS.format(
    figures="delta.*",
    journal="unnest(CAST(:buckets AS int2[]), CAST(:batches AS uuid[])) AS taken(bucket, batch_id)"
    " JOIN journal USING (bucket, batch_id)",
)
_PENDING_DELTAS = _DELTAS.format(
    figures=_SHOWN_OF_DELTA, journal="journal_pending JOIN journal USING (bucket, batch_id)"
)
_MORE = ", ".join(f"{name} = had.{name} + excluded.{name}" for name in FIGURES)
_SUMMED = summed(FIGURES)
_SHOWN_SUMMED = summed(SHOWN)

_ADD = text(f"""
    INSERT INTO total_day AS had ({DIMENSION_COLUMNS}, {FIGURE_COLUMNS})
    SELECT {DIMENSION_COLUMNS}, {_SUMMED} FROM ({_TAKEN_DELTAS}) AS delta
    GROUP BY {DIMENSION_COLUMNS} ORDER BY {DIMENSION_COLUMNS}
    ON CONFLICT ({DIMENSION_COLUMNS}) DO UPDATE SET {_MORE}, changed_at = now()
""")

# One statement, so one snapshot: a batch that commits meanwhile is in neither half, and keeps its
# mark. Of two statements the later one would add it, and its mark would add it again.
_REBUILD = text(f"""
    WITH counted AS (DELETE FROM journal_pending WHERE projector = 'total_day')
    INSERT INTO total_day ({DIMENSION_COLUMNS}, {FIGURE_COLUMNS})
    SELECT {DIMENSION_COLUMNS}, {_SUMMED} FROM ({_ALL_KEPT_DELTAS}) AS delta
    GROUP BY {DIMENSION_COLUMNS}
""")

# Everybody's; or in the sandbox, the partner's own.
_WHOSE = "(CAST(:partner AS text) IS NULL OR partner = :partner)"

_NOW_KNOWN = text(f"""
    SELECT {LIVE_COLUMNS}, {_SHOWN_SUMMED} FROM (
        SELECT {_SHOWN_OF_CELL} FROM total_day
        UNION ALL
        {_PENDING_DELTAS}
        WHERE projector = 'total_day'
    ) AS known WHERE {_WHOSE} GROUP BY 1, 2, 3, 4, 5
""")
_PEOPLE_OF = text("""
    SELECT count(*) FROM (
        SELECT DISTINCT bucket, person_id FROM action
        WHERE partner = :partner AND outcome IN ('credited', 'capped', 'zero')
          AND (CAST(:as_of AS timestamptz) IS NULL OR recorded_at <= :as_of)
    ) AS person
""")
_PEOPLE = text("SELECT count(*) FROM account WHERE counted")

_YEARS = text(f"""
    SELECT to_char(local_day, 'YYYY') AS year, sum(avoided_mg)::int8 AS avoided_mg FROM (
        SELECT {_SHOWN_OF_CELL} FROM total_day
        UNION ALL
        {_PENDING_DELTAS}
        WHERE projector = 'total_day'
    ) AS known
    WHERE methodology = :methodology AND scope = '3+' AND evidence_level <> 'L0'
    GROUP BY 1 ORDER BY 1
""")

_COUNTED = "scope = '3+' AND evidence_level <> 'L0'"
_FILTERED = f"""
    {_COUNTED} AND {_WHOSE} AND (CAST(:activity AS text) IS NULL OR activity = :activity)
    AND (CAST(:region AS text) IS NULL OR region = :region)
"""
_PERIOD = "to_char(local_day, CAST(:format AS text))"

_FIRST_NOT_CLOSED = text("""
    SELECT min(recorded_at) FROM journal WHERE recorded_at >= coalesce(
        (SELECT (max(recorded_on) + 1)::timestamp AT TIME ZONE 'UTC' FROM journal_day_closed),
        '-infinity')
""")
_ADD_UP = text(f"""
    INSERT INTO journal_day (recorded_on, {DIMENSION_COLUMNS}, {SHOWN_COLUMNS})
    SELECT :day, {DIMENSION_COLUMNS}, {_SHOWN_SUMMED}
    FROM ({ALL_DELTAS} WHERE recorded_at >= :begins AND recorded_at < :ends) AS delta
    GROUP BY {DIMENSION_COLUMNS}
""")
_CLOSE = text("""
    INSERT INTO journal_day_closed (recorded_on, people, journal_rows)
    SELECT :day, coalesce(sum(people), 0), count(*) FROM journal
    WHERE recorded_at >= :begins AND recorded_at < :ends
""")

# Closed days are added up already; the rows since then are read one by one.
_CLOSED_THEN = """
    SELECT max(recorded_on) FROM journal_day_closed
    WHERE recorded_on < (CAST(:as_of AS timestamptz) AT TIME ZONE 'UTC')::date
"""
_SINCE_THEN = f"""
    recorded_at <= :as_of AND recorded_at >= coalesce(
        (SELECT (({_CLOSED_THEN}) + 1)::timestamp AT TIME ZONE 'UTC'), '-infinity')
"""
_KNOWN_THEN = f"""(
    SELECT {_SHOWN_OF_CELL} FROM journal_day WHERE recorded_on <= ({_CLOSED_THEN})
    UNION ALL
    {ALL_DELTAS} WHERE {_SINCE_THEN}
) AS known"""
# Half-widths add up linearly inside a methodology version, as root-sum-square between them.
_BY_PERIOD = f"""
    SELECT period, sum(actions)::int8 AS actions, sum(avoided_mg)::int8 AS avoided_mg,
           sum(points)::int8 AS points,
           round(sqrt(sum(uncertainty_mg::numeric ^ 2)) / nullif(sum(avoided_mg), 0) * 100, 1)
               AS uncertainty_pct
    FROM (
        SELECT {_PERIOD} AS period, methodology, version, {_SHOWN_SUMMED}
        FROM {{known}} WHERE {_FILTERED} GROUP BY 1, 2, 3
    ) AS parts GROUP BY period ORDER BY period LIMIT :limit
"""
_SERIES = text(_BY_PERIOD.format(known="total_day"))
_SERIES_AS_OF = text(_BY_PERIOD.format(known=_KNOWN_THEN))
_AS_OF = text(
    f"SELECT {LIVE_COLUMNS}, {_SHOWN_SUMMED} FROM {_KNOWN_THEN} WHERE {_WHOSE}"
    " GROUP BY 1, 2, 3, 4, 5"
)
_PEOPLE_AS_OF = text(f"""
    SELECT (coalesce((SELECT sum(people) FROM journal_day_closed
                      WHERE recorded_on <= ({_CLOSED_THEN})), 0)
          + coalesce((SELECT sum(people) FROM journal WHERE {_SINCE_THEN}), 0))::int8
""")
_TRAILING_AS_OF = text(f"""
    SELECT coalesce(sum(avoided_mg), 0)::int8 FROM {_KNOWN_THEN}
    WHERE local_day > :after AND local_day <= :until AND {_COUNTED} AND {_WHOSE}
""")
_TRAILING = text(f"""
    SELECT coalesce(sum(avoided_mg), 0)::int8 FROM total_day
    WHERE local_day > :after AND local_day <= :until AND {_COUNTED} AND {_WHOSE}
""")
FORMATS = {"day": "YYYY-MM-DD", "month": "YYYY-MM", "year": "YYYY"}
PERIODS_MAX = 6_000  # every day of the programme


async def lock_projection(session: AsyncSession, *, exclusive: bool) -> None:
    """Lock the projections until this transaction ends."""
    name = "pg_advisory_xact_lock" if exclusive else "pg_advisory_xact_lock_shared"
    await session.execute(text(f"SELECT {name}(:lock)"), {"lock": PROJECTION_LOCK})


async def lock_checkpoints(session: AsyncSession) -> None:
    """Lock the closing of days until this transaction ends."""
    await session.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": CHECKPOINT_LOCK})


async def add_days(session: AsyncSession, rows: Sequence[TakenRow]) -> None:
    """Add journal rows to the daily totals."""
    named = {"buckets": [r.bucket for r in rows], "batches": [r.batch_id for r in rows]}
    await session.execute(_ADD, named)


async def rebuild_days(session: AsyncSession) -> None:
    """Make the daily totals again from the whole journal. Projections must be locked."""
    await session.execute(text("DELETE FROM total_day"))
    await session.execute(_REBUILD)


async def first_not_closed(session: AsyncSession) -> datetime | None:
    """When the first journal row was recorded that is of no closed day."""
    found: datetime | None = (await session.execute(_FIRST_NOT_CLOSED)).scalar_one()
    return found


async def close_day(session: AsyncSession, day: date, *, begins: datetime, ends: datetime) -> None:
    """Add up the journal rows of a UTC day. The closing of days must be locked."""
    named = {"day": day, "begins": begins, "ends": ends}
    await session.execute(_ADD_UP, named)
    await session.execute(_CLOSE, named)


async def forget_checkpoints(session: AsyncSession) -> None:
    """Remove the closed days; the worker closes them anew."""
    await lock_checkpoints(session)
    await session.execute(text("DELETE FROM journal_day"))
    await session.execute(text("DELETE FROM journal_day_closed"))


async def known_sums(session: AsyncSession, partner: str | None = None) -> Sums:
    """Everything that is committed, as one snapshot knows it; or a partner's share of it."""
    found = await session.execute(_NOW_KNOWN, {"partner": partner})
    cells = dict(map(_live, found))
    if partner is not None:
        return Sums(cells, await _people_of(session, partner, None))
    return Sums(cells, int((await session.execute(_PEOPLE)).scalar_one()))


def _live(row: Row[Any]) -> tuple[LiveCell, Amounts]:
    dimensions = len(LiveCell._fields)
    return LiveCell(*row[:dimensions]), Amounts.of_shown(row[dimensions:])


async def _people_of(session: AsyncSession, partner: str, as_of: datetime | None) -> int:
    named = {"partner": partner, "as_of": as_of}
    return int((await session.execute(_PEOPLE_OF, named)).scalar_one())


async def sums_as_of(session: AsyncSession, as_of: datetime, partner: str | None = None) -> Sums:
    """Everything that was recorded up to a moment, from the journal; or a partner's share of it."""
    found = await session.execute(_AS_OF, {"as_of": as_of, "partner": partner})
    cells = dict(map(_live, found))
    if partner is not None:
        return Sums(cells, await _people_of(session, partner, as_of))
    people = await session.execute(_PEOPLE_AS_OF, {"as_of": as_of})
    return Sums(cells, people.scalar_one())


async def series(
    session: AsyncSession,
    *,
    by: str,
    activity: str | None,
    region: str | None,
    as_of: datetime | None,
    partner: str | None = None,
) -> Sequence[RowMapping]:
    """Scope 3+ by day, month or year; with `as_of`, as it was known then."""
    named = {
        "partner": partner,
        "format": FORMATS[by],
        "activity": activity,
        "region": region,
        "limit": PERIODS_MAX,
        **({} if as_of is None else {"as_of": as_of}),
    }
    query = _SERIES if as_of is None else _SERIES_AS_OF
    return (await session.execute(query, named)).mappings().all()


async def years_mg(session: AsyncSession, *, methodology: str) -> dict[str, int]:
    """Scope 3+ milligrams of each year of local days, over all versions of a methodology."""
    found = await session.execute(_YEARS, {"methodology": methodology})
    return {row.year: row.avoided_mg for row in found}


async def trailing_mg(
    session: AsyncSession, *, after: date, until: date, partner: str | None = None
) -> int:
    """Scope 3+ milligrams of the days after `after`, up to and with `until`."""
    named = {"after": after, "until": until, "partner": partner}
    found = await session.execute(_TRAILING, named)
    return int(found.scalar_one())


async def trailing_mg_as_of(
    session: AsyncSession,
    as_of: datetime,
    *,
    after: date,
    until: date,
    partner: str | None = None,
) -> int:
    """Return the same sum as it was known at a moment."""
    named = {"as_of": as_of, "after": after, "until": until, "partner": partner}
    return int((await session.execute(_TRAILING_AS_OF, named)).scalar_one())

"""SQL of accounts, earnings and entries. No decisions, no commit, no HTTP."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession

from service.clock import uuid7
from service.partners.people import PersonId

_LEFT = "points - collected - lapsed - reversed"

_LOCK = text("""
    INSERT INTO account AS had (bucket, person_id, created_at) VALUES (:bucket, :person, :now)
    ON CONFLICT (bucket, person_id) DO UPDATE SET balance = had.balance
    RETURNING balance
""")

# One statement: the old row says what was left, the new one that it is collected.
_COLLECT = text(f"""
    WITH ripe AS (
        SELECT local_day, activity, {_LEFT} AS uncollected FROM earning
        WHERE bucket = :bucket AND person_id = :person
          AND ripens_at <= :now AND lapses_at > :now AND {_LEFT} > 0
    )
    UPDATE earning SET collected = collected + ripe.uncollected FROM ripe
    WHERE bucket = :bucket AND person_id = :person
      AND earning.local_day = ripe.local_day AND earning.activity = ripe.activity
    RETURNING earning.local_day, earning.activity, ripe.uncollected AS points
""")

_ENTER = text("""
    INSERT INTO entry (bucket, person_id, entry_id, kind, points, balance_after, ref, recorded_at)
    VALUES (:bucket, :person, :entry, :kind, :points, :balance, CAST(:ref AS jsonb), :now)
""")

_LAST = text("""
    SELECT entry_id FROM entry WHERE bucket = :bucket AND person_id = :person
    ORDER BY entry_id DESC LIMIT 1
""")

_SET_BALANCE = text("""
    UPDATE account SET balance = :balance WHERE bucket = :bucket AND person_id = :person
""")

_EARNING = text("""
    SELECT CASE WHEN lapses_at > :now THEN points - collected - lapsed - reversed ELSE 0 END
               AS uncollected,
           collected - taken_back AS kept
    FROM earning
    WHERE bucket = :bucket AND person_id = :person AND local_day = :day AND activity = :activity
""")

_TAKE_BACK = text("""
    UPDATE earning SET reversed = reversed + :uncollected, taken_back = taken_back + :kept
    WHERE bucket = :bucket AND person_id = :person AND local_day = :day AND activity = :activity
""")

_POINTS = text(f"""
    SELECT coalesce(sum({_LEFT}) FILTER (WHERE ripens_at > :now), 0)::int8 AS ripening,
           coalesce(sum({_LEFT}) FILTER (WHERE ripens_at <= :now AND lapses_at > :now), 0)::int8
               AS collectable,
           coalesce(sum(lapsed + CASE WHEN lapses_at <= :now THEN {_LEFT} ELSE 0 END), 0)::int8
               AS lapsed,
           coalesce(sum(points), 0)::int8 AS issued,
           min(ripens_at) FILTER (WHERE ripens_at > :now AND {_LEFT} > 0) AS next_ripens_at
    FROM earning WHERE bucket = :bucket AND person_id = :person
""")

_BALANCE = text("SELECT balance FROM account WHERE bucket = :bucket AND person_id = :person")

_EARNINGS = text(f"""
    SELECT local_day, activity, actions, points, collected, reversed,
           lapsed + CASE WHEN lapses_at <= :now THEN {_LEFT} ELSE 0 END AS lapsed,
           CASE WHEN lapses_at <= :now THEN 0 ELSE {_LEFT} END AS uncollected,
           ripens_at, lapses_at
    FROM earning
    WHERE bucket = :bucket AND person_id = :person
      AND (local_day, activity) < (CAST(:day AS date), CAST(:activity AS text))
    ORDER BY local_day DESC, activity DESC LIMIT :limit
""")

_ENTRIES = text("""
    SELECT entry_id, kind, points, balance_after, ref, recorded_at FROM entry
    WHERE bucket = :bucket AND person_id = :person AND entry_id < :before
    ORDER BY entry_id DESC LIMIT :limit
""").columns(ref=JSONB)


@dataclass(frozen=True, slots=True)
class RipeEarning:
    """Points of one day and activity that were just collected."""

    local_day: date
    activity: str
    points: int


def _named(person: PersonId, **more: object) -> dict[str, object]:
    return {"bucket": person.bucket, "person": person.id, **more}


async def lock_account(session: AsyncSession, person: PersonId, now: datetime) -> int:
    """Lock the person's account, making it if it is missing; the balance."""
    found = await session.execute(_LOCK, _named(person, now=now))
    return int(found.scalar_one())


async def take_ripe(
    session: AsyncSession, person: PersonId, now: datetime
) -> tuple[RipeEarning, ...]:
    """Mark everything that is ripe and not lapsed as collected. The account must be locked."""
    found = await session.execute(_COLLECT, _named(person, now=now))
    ripe = (RipeEarning(row.local_day, row.activity, row.points) for row in found)
    return tuple(sorted(ripe, key=lambda one: (one.local_day, one.activity)))


async def append_entry(
    session: AsyncSession,
    person: PersonId,
    *,
    kind: str,
    points: int,
    balance_after: int,
    ref: str,
    now: datetime,
) -> None:
    """Append one line and keep the balance. The account must be locked; `ref` is JSON.

    The id is later than the one before, also within a millisecond and if the clock went back.
    """
    entry_id = uuid7(now)
    last = (await session.execute(_LAST, _named(person))).scalar()
    if last is not None and last >= entry_id:
        entry_id = UUID(int=last.int + 1)
    named = _named(
        person, entry=entry_id, kind=kind, points=points, balance=balance_after, ref=ref, now=now
    )
    await session.execute(_ENTER, named)
    await session.execute(_SET_BALANCE, _named(person, balance=balance_after))


async def earning_left(
    session: AsyncSession, person: PersonId, *, day: date, activity: str, now: datetime
) -> tuple[int, int]:
    """(uncollected and not lapsed, collected and not taken back) points of an earning."""
    named = _named(person, day=day, activity=activity, now=now)
    found = await session.execute(_EARNING, named)
    row = found.one_or_none()
    return (0, 0) if row is None else (row.uncollected, row.kept)


async def reverse_earning(
    session: AsyncSession,
    person: PersonId,
    *,
    day: date,
    activity: str,
    uncollected: int,
    kept: int,
) -> None:
    """Mark points of an earning as reversed, and collected ones as taken back."""
    named = _named(person, day=day, activity=activity, uncollected=uncollected, kept=kept)
    await session.execute(_TAKE_BACK, named)


async def balance_of(session: AsyncSession, person: PersonId) -> int:
    """The balance; 0 for a person nobody reported yet."""
    return int((await session.execute(_BALANCE, _named(person))).scalar() or 0)


async def points_of(session: AsyncSession, person: PersonId, now: datetime) -> RowMapping:
    """Sums over a person's earnings at `now`."""
    return (await session.execute(_POINTS, _named(person, now=now))).mappings().one()


async def earnings_before(
    session: AsyncSession, person: PersonId, *, before: tuple[date, str], limit: int, now: datetime
) -> Sequence[RowMapping]:
    """Earnings before a (day, activity), newest first."""
    named = _named(person, day=before[0], activity=before[1], limit=limit, now=now)
    return (await session.execute(_EARNINGS, named)).mappings().all()


async def entries_before(
    session: AsyncSession, person: PersonId, *, before: UUID, limit: int
) -> Sequence[Any]:
    """Entries before an id, newest first."""
    named = _named(person, before=before, limit=limit)
    return (await session.execute(_ENTRIES, named)).mappings().all()

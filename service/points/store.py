"""SQL of accounts, earnings and entries. No decisions, no commit, no HTTP.

Locks are taken in one order: accounts by (bucket, person), then their earnings.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession

from service.clock import uuid7
from service.errors import PersonErased
from service.partners.person import PersonId

LEFT = "points - collected - lapsed - reversed - to_friends"

_LOCK = text("""
    SELECT balance FROM account WHERE bucket = :bucket AND person_id = :person FOR UPDATE
""")
_CREATE = text("""
    INSERT INTO account (bucket, person_id, created_at) VALUES (:bucket, :person, :now)
    ON CONFLICT DO NOTHING
""")

_ERASED = text("""
    SELECT EXISTS (SELECT FROM tombstone WHERE bucket = :bucket AND person_id = :person)
""")

# One statement for everything: at seven in the morning everybody comes, and each round trip holds
# the account. The rows that wait for a lock are read again when they get it, so a second collect
# finds what the first one left; `uncollected` is what the locked row says.
# When the account has to be waited for, events may have added points to the row meanwhile. An
# UPDATE first computes and checks its row from the old version, and only then finds the new one:
# so what is collected is computed from the row itself, and not from `ripe`, which has the new one.
_COLLECT = text(f"""
    WITH owner AS (
        SELECT bucket, person_id, balance, last_entry_id FROM account
        WHERE bucket = :bucket AND person_id = :person FOR UPDATE
    ), ripe AS (
        SELECT local_day, activity, round, {LEFT} AS uncollected
        FROM owner JOIN earning USING (bucket, person_id)
        WHERE is_open AND ripens_at <= :now AND lapses_at > :now
          AND (CAST(:day AS date) IS NULL OR local_day = CAST(:day AS date))
          AND (CAST(:activity AS text) IS NULL OR activity = CAST(:activity AS text))
        FOR UPDATE OF earning
    ), taken AS (
        UPDATE earning SET collected = collected + ({LEFT}) FROM ripe
        WHERE bucket = :bucket AND person_id = :person AND earning.local_day = ripe.local_day
          AND earning.activity = ripe.activity AND earning.round = ripe.round
        RETURNING ripe.local_day, ripe.activity, uncollected
    ), total AS (
        SELECT coalesce(sum(uncollected), 0)::int8 AS points,
               coalesce(jsonb_agg(jsonb_build_object(
                   'local_day', local_day, 'activity', activity, 'points', uncollected)
                   ORDER BY local_day, activity), '[]') AS earnings
        FROM taken
    ), entered AS (
        INSERT INTO entry (bucket, person_id, entry_id, kind, points, balance_after, ref,
                           recorded_at)
        SELECT bucket, person_id, later_entry(:entry, last_entry_id), 'collect', points,
               balance + points, jsonb_build_object('earnings', earnings), :now
        FROM owner, total WHERE points > 0
        RETURNING entry_id, balance_after
    ), kept AS (
        UPDATE account SET balance = balance_after, last_entry_id = entry_id FROM entered
        WHERE bucket = :bucket AND person_id = :person
    )
    SELECT points, coalesce((SELECT balance FROM owner), 0) + points AS balance, earnings
    FROM total
""").columns(earnings=JSONB)

_ENTER = text("""
    WITH kept AS (
        UPDATE account SET balance = :balance, last_entry_id = later_entry(:entry, last_entry_id)
        WHERE bucket = :bucket AND person_id = :person
        RETURNING bucket, person_id, last_entry_id
    )
    INSERT INTO entry (bucket, person_id, entry_id, kind, points, balance_after, ref, recorded_at)
    SELECT bucket, person_id, last_entry_id, :kind, :points, :balance, CAST(:ref AS jsonb), :now
    FROM kept RETURNING entry_id
""")

# Lock, look and debit in one statement, as above: an order locks the account for less time.
_SPEND = text("""
    WITH owner AS (
        SELECT bucket, person_id, balance, last_entry_id FROM account
        WHERE bucket = :bucket AND person_id = :person FOR UPDATE
    ), entered AS (
        INSERT INTO entry (bucket, person_id, entry_id, kind, points, balance_after, ref,
                           recorded_at)
        SELECT bucket, person_id, later_entry(:entry, last_entry_id), 'spend',
               -CAST(:points AS int8), balance - CAST(:points AS int8), CAST(:ref AS jsonb), :now
        FROM owner WHERE balance >= CAST(:points AS int8)
        RETURNING entry_id, balance_after
    ), kept AS (
        UPDATE account SET balance = balance_after, last_entry_id = entry_id FROM entered
        WHERE bucket = :bucket AND person_id = :person
    )
    SELECT balance FROM owner
""")

# An action is in the first round that had not lapsed when it was recorded.
_EARNING = text(f"""
    SELECT round, CASE WHEN lapses_at > :now THEN {LEFT} ELSE 0 END AS uncollected,
           collected + to_friends - taken_back AS kept
    FROM earning
    WHERE bucket = :bucket AND person_id = :person AND local_day = :day AND activity = :activity
      AND lapses_at > :recorded_at
    ORDER BY round LIMIT 1
""")

_MOVED_TO = text("""
    SELECT closed_at, moved_to FROM account
    WHERE bucket = :bucket AND person_id = :person AND moved_to IS NOT NULL
""")

_MOVED_LEFT = text("""
    SELECT coalesce(sum(points - reversed), 0)::int8 FROM moved_earning
    WHERE bucket = :bucket AND person_id = :person AND waiting_id = :waiting
      AND local_day = :day AND activity = :activity
""")

_TAKE_MOVED = text("""
    UPDATE moved_earning SET reversed = reversed + :points
    WHERE bucket = :bucket AND person_id = :person AND waiting_id = :waiting
      AND local_day = :day AND activity = :activity
""")

_CLOSE = text("""
    WITH closed AS (
        UPDATE account SET closed_at = :now, moved_to = :owner, counted = false FROM (
            SELECT bucket, person_id, counted FROM account
            WHERE bucket = :bucket AND person_id = :person
        ) AS had
        WHERE account.bucket = had.bucket AND account.person_id = had.person_id
        RETURNING had.counted
    ), had AS (
        SELECT counted FROM account WHERE bucket = :owner_bucket AND person_id = :owner
    ), opened AS (
        UPDATE account SET counted = account.counted OR closed.counted FROM closed
        WHERE bucket = :owner_bucket AND person_id = :owner
    )
    SELECT closed.counted AND had.counted FROM closed, had
""")

_TAKE_BACK = text("""
    UPDATE earning SET reversed = reversed + :uncollected, taken_back = taken_back + :kept
    WHERE bucket = :bucket AND person_id = :person AND local_day = :day AND activity = :activity
      AND round = :round
""")

_DUE = text("""
    SELECT DISTINCT bucket, person_id FROM earning
    WHERE is_open AND lapses_at <= :now AND (bucket, person_id) > (:bucket, :person)
    ORDER BY bucket, person_id LIMIT :limit
""")

# Whoever is busy is left for the next time: lapsing waits for nobody, and nobody for lapsing.
_LOCK_IDLE = text("""
    SELECT bucket, person_id
    FROM account JOIN unnest(CAST(:buckets AS int2[]), CAST(:people AS uuid[]))
        AS due(bucket, person_id) USING (bucket, person_id)
    ORDER BY bucket, person_id FOR UPDATE OF account SKIP LOCKED
""")

_LAPSE = text(f"""
    WITH due AS (
        SELECT earning.bucket, earning.person_id, local_day, activity, round, {LEFT} AS uncollected
        FROM unnest(CAST(:buckets AS int2[]), CAST(:people AS uuid[])) AS input(bucket, person_id)
        JOIN earning USING (bucket, person_id)
        WHERE is_open AND lapses_at <= :now
    )
    UPDATE earning SET lapsed = lapsed + uncollected FROM due
    WHERE earning.bucket = due.bucket AND earning.person_id = due.person_id
      AND earning.local_day = due.local_day AND earning.activity = due.activity
      AND earning.round = due.round
    RETURNING due.bucket, due.person_id, due.local_day, due.activity, uncollected AS points
""")

_POINTS = text(f"""
    SELECT coalesce(sum({LEFT}) FILTER (WHERE ripens_at > :now), 0)::int8 AS ripening,
           coalesce(sum({LEFT}) FILTER (WHERE ripens_at <= :now AND lapses_at > :now), 0)::int8
               AS collectable,
           coalesce(sum(lapsed + CASE WHEN lapses_at <= :now THEN {LEFT} ELSE 0 END), 0)::int8
               AS lapsed,
           coalesce(sum(to_friends), 0)::int8 AS taken_by_friends,
           coalesce(sum(points), 0)::int8 AS issued,
           min(ripens_at) FILTER (WHERE ripens_at > :now AND is_open) AS next_ripens_at
    FROM earning WHERE bucket = :bucket AND person_id = :person
""")

_BALANCE = text("SELECT balance FROM account WHERE bucket = :bucket AND person_id = :person")

_EARNINGS = text(f"""
    SELECT local_day, activity, round, actions, points, collected, reversed,
           to_friends AS taken_by_friends,
           lapsed + CASE WHEN lapses_at <= :now THEN {LEFT} ELSE 0 END AS lapsed,
           CASE WHEN lapses_at <= :now THEN 0 ELSE {LEFT} END AS uncollected,
           ripens_at, lapses_at
    FROM earning
    WHERE bucket = :bucket AND person_id = :person
      AND (actions, points) <> (0, 0)  -- a day that an action of a later day covers
      AND (local_day, activity, round)
          < (CAST(:day AS date), CAST(:activity AS text), CAST(:round AS int2))
    ORDER BY local_day DESC, activity DESC, round DESC LIMIT :limit
""")

_OF_DAY = text(f"""
    SELECT {LEFT} AS uncollected, ripens_at, lapses_at FROM earning
    WHERE bucket = :bucket AND person_id = :person AND local_day = :day AND activity = :activity
    ORDER BY round DESC LIMIT 1
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


@dataclass(frozen=True, slots=True)
class EarningLeft:
    """An earning under its account's lock: not collected nor lapsed, and kept by people."""

    round: int
    uncollected: int
    kept: int


@dataclass(frozen=True, slots=True)
class LapsedEarning:
    """Points of one person, day and activity that have just lapsed."""

    person: PersonId
    local_day: date
    activity: str
    points: int


def named(person: PersonId, **more: object) -> dict[str, object]:
    """Return a statement's parameters about a person."""
    return {"bucket": person.bucket, "person": person.id, **more}


async def lock_account(session: AsyncSession, person: PersonId, now: datetime) -> int:
    """Lock the person's account, making it if it is missing, and return the balance.

    Raises PersonErased for one that was erased, as long as its tombstone stands.
    """
    found = (await session.execute(_LOCK, named(person))).scalar()
    if found is None:
        if (await session.execute(_ERASED, named(person))).scalar_one():
            raise PersonErased(
                "The person asked to be forgotten, and this account was theirs. A new one begins "
                "with what they do from now on: report it."
            )
        await session.execute(_CREATE, named(person, now=now))
        found = (await session.execute(_LOCK, named(person))).scalar_one()
    return int(found)


async def lock_accounts(
    session: AsyncSession, people: Iterable[PersonId], now: datetime
) -> dict[PersonId, int]:
    """Lock several accounts in the order that everybody keeps, and return their balances."""
    return {person: await lock_account(session, person, now) for person in sorted(set(people))}


async def collect(
    session: AsyncSession,
    person: PersonId,
    *,
    day: date | None,
    activity: str | None,
    now: datetime,
) -> tuple[int, int, tuple[RipeEarning, ...]]:
    """Move what is ripe and not lapsed to the balance, in one entry; (points, balance, earnings).

    `day` and `activity` narrow it. Locks the account by itself.
    """
    parameters = named(person, day=day, activity=activity, entry=uuid7(now), now=now)
    row = (await session.execute(_COLLECT, parameters)).one()
    earnings = tuple(
        RipeEarning(date.fromisoformat(one["local_day"]), one["activity"], one["points"])
        for one in row.earnings
    )
    return row.points, row.balance, earnings


async def spend(
    session: AsyncSession, person: PersonId, *, points: int, ref: str, now: datetime
) -> int:
    """Take points from the balance if it has as many; return the balance before. `ref` is JSON.

    Locks the account by itself; nobody has an account without ever having had a point.
    """
    parameters = named(person, entry=uuid7(now), points=points, ref=ref, now=now)
    return int((await session.execute(_SPEND, parameters)).scalar() or 0)


async def append_entry(
    session: AsyncSession,
    person: PersonId,
    *,
    kind: str,
    points: int,
    balance_after: int,
    ref: str,
    now: datetime,
) -> UUID:
    """Append one line, keep the balance and return its id. `ref` is JSON.

    The account must be locked.

    The id is later than the one before, also within a millisecond and if the clock went back.
    """
    parameters = named(
        person,
        entry=uuid7(now),
        kind=kind,
        points=points,
        balance=balance_after,
        ref=ref,
        now=now,
    )
    entry_id = (await session.execute(_ENTER, parameters)).scalar_one()
    assert isinstance(entry_id, UUID)
    return entry_id


async def earning_left(
    session: AsyncSession,
    person: PersonId,
    *,
    day: date,
    activity: str,
    recorded_at: datetime,
    now: datetime,
) -> EarningLeft | None:
    """Return the earning that has the points of an action that was recorded then.

    It is None when the action gave no points.
    """
    parameters = named(person, day=day, activity=activity, recorded_at=recorded_at, now=now)
    row = (await session.execute(_EARNING, parameters)).one_or_none()
    return None if row is None else EarningLeft(row.round, row.uncollected, row.kept)


async def reverse_earning(
    session: AsyncSession,
    person: PersonId,
    *,
    day: date,
    activity: str,
    round: int,  # noqa: A002  (the column's name; nothing is rounded here)
    uncollected: int,
    kept: int,
) -> None:
    """Mark points of an earning as reversed, and collected ones as taken back."""
    parameters = named(
        person, day=day, activity=activity, round=round, uncollected=uncollected, kept=kept
    )
    await session.execute(_TAKE_BACK, parameters)


async def moved_to(session: AsyncSession, account: PersonId) -> tuple[datetime, UUID] | None:
    """Return when an account's points moved, and to whom; None for one that is open."""
    row = (await session.execute(_MOVED_TO, named(account))).one_or_none()
    return None if row is None else (row.closed_at, row.moved_to)


async def close_account(
    session: AsyncSession, account: PersonId, owner: PersonId, now: datetime
) -> bool:
    """Close a waiting account whose points move to `owner`, and return whether both were counted.

    Both accounts must be locked. Two counted accounts are one person from now on.
    """
    parameters = named(account, owner=owner.id, owner_bucket=owner.bucket, now=now)
    return bool((await session.execute(_CLOSE, parameters)).scalar_one())


async def moved_left(
    session: AsyncSession, owner: PersonId, waiting: PersonId, *, day: date, activity: str
) -> int:
    """Return the points of a day that moved from a waiting account and were not taken back."""
    parameters = named(owner, waiting=waiting.id, day=day, activity=activity)
    return int((await session.execute(_MOVED_LEFT, parameters)).scalar_one())


async def take_moved(
    session: AsyncSession,
    owner: PersonId,
    waiting: PersonId,
    *,
    day: date,
    activity: str,
    points: int,
) -> None:
    """Mark points that moved as taken back. The owner's account must be locked."""
    parameters = named(owner, waiting=waiting.id, day=day, activity=activity, points=points)
    await session.execute(_TAKE_MOVED, parameters)


async def due_to_lapse(
    session: AsyncSession, *, after: PersonId, limit: int, now: datetime
) -> list[PersonId]:
    """People after `after` who have points that lapse, in the order of locks."""
    parameters = named(after, now=now, limit=limit)
    return [PersonId(row.bucket, row.person_id) for row in await session.execute(_DUE, parameters)]


async def lock_idle(session: AsyncSession, people: Sequence[PersonId]) -> list[PersonId]:
    """Lock those of the accounts that nobody else has locked, and return them."""
    found = await session.execute(_LOCK_IDLE, _columns(people))
    return [PersonId(row.bucket, row.person_id) for row in found]


async def lapse(
    session: AsyncSession, people: Sequence[PersonId], now: datetime
) -> list[LapsedEarning]:
    """Mark what these people did not collect in time as lapsed. Their accounts must be locked."""
    found = await session.execute(_LAPSE, {**_columns(people), "now": now})
    return [
        LapsedEarning(PersonId(row.bucket, row.person_id), row.local_day, row.activity, row.points)
        for row in found
    ]


async def balance_of(session: AsyncSession, person: PersonId) -> int:
    """Return the balance; 0 for a person nobody reported yet."""
    return int((await session.execute(_BALANCE, named(person))).scalar() or 0)


async def points_of(session: AsyncSession, person: PersonId, now: datetime) -> RowMapping:
    """Return sums over a person's earnings at `now`."""
    return (await session.execute(_POINTS, named(person, now=now))).mappings().one()


async def earnings_before(
    session: AsyncSession,
    person: PersonId,
    *,
    before: tuple[date, str, int],
    limit: int,
    now: datetime,
) -> Sequence[RowMapping]:
    """Earnings before a (day, activity, round), newest first."""
    day, activity, round_ = before
    parameters = named(person, day=day, activity=activity, round=round_, limit=limit, now=now)
    return (await session.execute(_EARNINGS, parameters)).mappings().all()


async def earning_of(
    session: AsyncSession, person: PersonId, *, day: date, activity: str
) -> RowMapping | None:
    """Return the newest earning of a day and activity, if there is one."""
    found = await session.execute(_OF_DAY, named(person, day=day, activity=activity))
    return found.mappings().one_or_none()


async def entries_before(
    session: AsyncSession, person: PersonId, *, before: UUID, limit: int
) -> Sequence[Any]:
    """Entries before an id, newest first."""
    parameters = named(person, before=before, limit=limit)
    return (await session.execute(_ENTRIES, parameters)).mappings().all()


def _columns(people: Sequence[PersonId]) -> dict[str, object]:
    return {"buckets": [one.bucket for one in people], "people": [one.id for one in people]}

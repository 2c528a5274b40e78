"""SQL of pools, their members and contributions. No decisions, no commit, no HTTP."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from service.partners.person import PersonId

_ADD = text("""
    INSERT INTO pool (bucket, pool_id, project, name, code, points, daily_points, state, partner,
                      created_at, expires_at)
    VALUES (:bucket, :pool, :project, :name, :code, :points, :daily, 'open', :partner, :now,
            :expires)
""")
_POOL = """
    SELECT bucket, pool_id, project, name, code, points, daily_points, collected, state, serial,
           partner, created_at, expires_at, ended_at
    FROM pool
"""
_FIND = text(f"{_POOL} WHERE bucket = :bucket AND pool_id = :pool")
_LOCK = text(f"{_POOL} WHERE bucket = :bucket AND pool_id = :pool FOR UPDATE")
_BY_CODE = text(f"{_POOL} WHERE bucket = :bucket AND code = :code")
_EXPIRED = text(f"{_POOL} WHERE state = 'open' AND expires_at <= :now ORDER BY expires_at LIMIT :n")
_OF_PERSON = text("""
    SELECT bucket, pool_id, project, name, code, pool.points, daily_points, collected, state,
           serial, partner, created_at, expires_at, ended_at, pool_member.points AS your_points
    FROM pool_member JOIN pool USING (bucket, pool_id)
    WHERE person_bucket = :bucket AND person_id = :person AND left_at IS NULL AND pool_id < :before
    ORDER BY pool_id DESC LIMIT :limit
""")
_SET = text("""
    UPDATE pool SET collected = :collected, state = :state, serial = :serial, ended_at = :ended
    WHERE bucket = :bucket AND pool_id = :pool
""")
_MEMBERS = text("""
    SELECT person_bucket, person_id, number, display_name, points, joined_at, left_at
    FROM pool_member WHERE bucket = :bucket AND pool_id = :pool ORDER BY number
""")
_JOIN = text("""
    INSERT INTO pool_member AS had
        (bucket, pool_id, person_id, person_bucket, number, display_name, joined_at)
    SELECT :bucket, :pool, :person, :person_bucket, count(*) + 1, CAST(:name AS text), :now
    FROM pool_member WHERE bucket = :bucket AND pool_id = :pool
    ON CONFLICT (bucket, pool_id, person_id)
    DO UPDATE SET left_at = NULL, display_name = EXCLUDED.display_name
""")
_LEAVE = text("""
    UPDATE pool_member SET left_at = :now
    WHERE bucket = :bucket AND pool_id = :pool AND person_id = :person
""")
_POUR = text("""
    UPDATE pool_member SET points = points + :points
    WHERE bucket = :bucket AND pool_id = :pool AND person_id = :person
""")
_CONTRIBUTE = text("""
    INSERT INTO pool_contribution
        (bucket, pool_id, contribution_id, person_id, points, local_day, recorded_at)
    VALUES (:bucket, :pool, :id, :person, :points, :day, :now)
""")
_POURED_ON = text("""
    SELECT coalesce(sum(points), 0)::int8 FROM pool_contribution
    WHERE bucket = :bucket AND pool_id = :pool AND person_id = :person AND local_day = :day
      AND points > 0
""")


@dataclass(frozen=True, slots=True)
class Pool:
    """A group that shares one tree."""

    bucket: int
    pool_id: UUID
    project: str
    name: str
    code: str
    points: int
    daily_points: int
    collected: int
    state: str
    serial: str | None
    partner: str
    created_at: datetime
    expires_at: datetime
    ended_at: datetime | None

    @property
    def missing(self) -> int:
        """Points until the tree is paid."""
        return self.points - self.collected


@dataclass(frozen=True, slots=True)
class Member:
    """One person in a pool, and the points that they hold in it."""

    person: PersonId
    number: int
    display_name: str | None
    points: int
    joined_at: datetime
    left_at: datetime | None


def _of(pool: Pool, **more: object) -> dict[str, object]:
    return {"bucket": pool.bucket, "pool": pool.pool_id, **more}


async def add_pool(session: AsyncSession, pool: Pool) -> None:
    """Record a new pool."""
    named = _of(
        pool,
        project=pool.project,
        name=pool.name,
        code=pool.code,
        points=pool.points,
        daily=pool.daily_points,
        partner=pool.partner,
        now=pool.created_at,
        expires=pool.expires_at,
    )
    await session.execute(_ADD, named)


async def find_pool(session: AsyncSession, bucket: int, pool_id: UUID) -> Pool | None:
    """Return a pool by its id."""
    found = await session.execute(_FIND, {"bucket": bucket, "pool": pool_id})
    row = found.mappings().one_or_none()
    return None if row is None else Pool(**row)


async def find_by_code(session: AsyncSession, bucket: int, code: str) -> Pool | None:
    """Return a pool by its invitation code."""
    found = await session.execute(_BY_CODE, {"bucket": bucket, "code": code})
    row = found.mappings().one_or_none()
    return None if row is None else Pool(**row)


async def pools_before(
    session: AsyncSession, person: PersonId, *, before: UUID, limit: int
) -> list[tuple[Pool, int]]:
    """Return pools that a person is in, before an id, newest first.

    Each comes with the points that the person has in it.
    """
    parameters = {"bucket": person.bucket, "person": person.id, "before": before, "limit": limit}
    rows = (await session.execute(_OF_PERSON, parameters)).mappings()
    return [
        (Pool(**{name: row[name] for name in row if name != "your_points"}), row["your_points"])
        for row in rows
    ]


async def lock_pool(session: AsyncSession, pool: Pool) -> Pool:
    """Lock a pool and return it as it is now; the accounts concerned must be locked before."""
    return Pool(**(await session.execute(_LOCK, _of(pool))).mappings().one())


async def expired_pools(session: AsyncSession, now: datetime, limit: int) -> list[Pool]:
    """Open pools whose time is over, the oldest first."""
    found = await session.execute(_EXPIRED, {"now": now, "n": limit})
    return [Pool(**row) for row in found.mappings()]


async def set_pool(
    session: AsyncSession,
    pool: Pool,
    *,
    collected: int,
    state: str,
    serial: str | None,
    ended: datetime | None,
) -> None:
    """Change a pool. It must be locked."""
    named = _of(pool, collected=collected, state=state, serial=serial, ended=ended)
    await session.execute(_SET, named)


async def members_of(session: AsyncSession, pool: Pool) -> Sequence[Member]:
    """Everybody who ever joined, in that order."""
    found = await session.execute(_MEMBERS, _of(pool))
    return [
        Member(
            PersonId(row.person_bucket, row.person_id),
            row.number,
            row.display_name,
            row.points,
            row.joined_at,
            row.left_at,
        )
        for row in found
    ]


async def add_member(
    session: AsyncSession, pool: Pool, person: PersonId, name: str | None, now: datetime
) -> None:
    """Add a member, also one who left before. The pool must be locked."""
    named = _of(pool, person=person.id, person_bucket=person.bucket, name=name, now=now)
    await session.execute(_JOIN, named)


async def end_membership(
    session: AsyncSession, pool: Pool, person: PersonId, now: datetime
) -> None:
    """End a membership. The pool must be locked."""
    await session.execute(_LEAVE, _of(pool, person=person.id, now=now))


async def contribute(
    session: AsyncSession,
    pool: Pool,
    person: PersonId,
    *,
    contribution_id: UUID,
    points: int,
    day: date,
    now: datetime,
) -> None:
    """Record points that a member poured in, or, below zero, got back. The pool must be locked."""
    named = _of(pool, person=person.id, id=contribution_id, points=points, day=day, now=now)
    await session.execute(_CONTRIBUTE, named)
    await session.execute(_POUR, named)


async def poured_on(session: AsyncSession, pool: Pool, person: PersonId, day: date) -> int:
    """Return points that a member poured in on a day, whatever they got back since."""
    named = _of(pool, person=person.id, day=day)
    return int((await session.execute(_POURED_ON, named)).scalar_one())

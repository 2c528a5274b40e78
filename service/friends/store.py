"""SQL of friendships, gifts, profiles and boards. No decisions, no commit, no HTTP."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import RowMapping, text
from sqlalchemy.ext.asyncio import AsyncSession

from service.partners.person import PersonId, bucket_of
from service.points.store import LEFT, named

BOARD_ROWS_MAX = 100
RANKING_LOCK = 0x5A78_0012

_SIDE = """
    SELECT other_id, friendship_id, state, changed_at FROM friend
    WHERE bucket = :bucket AND person_id = :person AND {which}
"""
_BY_OTHER = text(_SIDE.format(which="other_id = :other"))
_BY_FRIENDSHIP = text(_SIDE.format(which="friendship_id = :friendship"))
_COUNT = text("SELECT count(*) FROM friend WHERE bucket = :bucket AND person_id = :person")
_PUT = text("""
    INSERT INTO friend (bucket, person_id, other_id, friendship_id, state, changed_at)
    VALUES (:bucket, :person, :other, :friendship, :state, :now)
    ON CONFLICT (bucket, person_id, other_id) DO UPDATE SET
        friendship_id = excluded.friendship_id, state = excluded.state,
        changed_at = excluded.changed_at
""")
_DELETE = text("""
    DELETE FROM friend WHERE bucket = :bucket AND person_id = :person AND other_id = :other
""")
_LIST = text("""
    SELECT other_id, friendship_id, state, changed_at FROM friend
    WHERE bucket = :bucket AND person_id = :person AND friendship_id > :after
      AND (CAST(:state AS text) IS NULL OR state = CAST(:state AS text))
    ORDER BY friendship_id LIMIT :limit
""")
_FRIENDS = text("""
    SELECT other_id, friendship_id FROM friend
    WHERE bucket = :bucket AND person_id = :person AND state = 'friends'
""")

_PROFILE = text("""
    SELECT display_name, region, is_ranked, shielded_until FROM profile
    WHERE bucket = :bucket AND person_id = :person
""")
_NAMES = text("""
    SELECT profile.person_id, display_name
    FROM unnest(CAST(:buckets AS int2[]), CAST(:people AS uuid[])) AS input(bucket, person_id)
    JOIN profile USING (bucket, person_id)
    WHERE display_name IS NOT NULL
""")
_PUT_PROFILE = text("""
    INSERT INTO profile (bucket, person_id, display_name, region, is_ranked)
    VALUES (:bucket, :person, :display_name, :region, :is_ranked)
    ON CONFLICT (bucket, person_id) DO UPDATE SET
        display_name = excluded.display_name, region = excluded.region,
        is_ranked = excluded.is_ranked
""")
_PUT_SHIELD = text("""
    INSERT INTO profile (bucket, person_id, shielded_until) VALUES (:bucket, :person, :until)
    ON CONFLICT (bucket, person_id) DO UPDATE SET shielded_until = excluded.shielded_until
""")

_WATERED = text("""
    SELECT count(*) FROM watering
    WHERE bucket = :bucket AND person_id = :person AND friend_id = :other AND day = :day
""")
_WATER = text("""
    INSERT INTO watering (bucket, person_id, friend_id, day, number, points, recorded_at)
    VALUES (:bucket, :person, :other, :day, :number, :points, :now)
""")

_OPEN = text(f"""
    SELECT local_day, activity, round, points, lapsed, reversed, to_friends,
           {LEFT} AS uncollected, ripens_at, lapses_at,
           EXISTS (SELECT 1 FROM friend_take
                   WHERE friend_take.bucket = earning.bucket
                     AND friend_take.person_id = earning.person_id
                     AND friend_take.local_day = earning.local_day
                     AND friend_take.activity = earning.activity
                     AND friend_take.round = earning.round
                     AND friend_take.friend_id = :other) AS taken_before
    FROM earning
    WHERE bucket = :bucket AND person_id = :person AND is_open
      AND ripens_at <= :now AND lapses_at > :now
    ORDER BY local_day, activity, round
""")
_TAKE = text("""
    WITH fact AS (
        INSERT INTO friend_take (bucket, person_id, local_day, activity, round, friend_id, points,
                                 recorded_at)
        VALUES (:bucket, :person, :day, :activity, :round, :other, :points, :now)
    )
    UPDATE earning SET to_friends = to_friends + :points
    WHERE bucket = :bucket AND person_id = :person AND local_day = :day AND activity = :activity
      AND round = :round
""")

# What was earned, less what was undone: gifts and takes win nobody a rank.
_EARNED = text("""
    SELECT input.person_id, display_name, coalesce(is_ranked, true) AS is_ranked,
           coalesce((
               SELECT sum(points - reversed - taken_back) FROM earning
               WHERE earning.bucket = input.bucket AND earning.person_id = input.person_id
                 AND local_day BETWEEN :first AND :last), 0)::int8 AS points
    FROM unnest(CAST(:buckets AS int2[]), CAST(:people AS uuid[])) AS input(bucket, person_id)
    LEFT JOIN profile USING (bucket, person_id)
""")
_TRY_LOCK = text("SELECT pg_try_advisory_xact_lock(:lock)")
_FORGET_BOARDS = text("DELETE FROM leaderboard_rank WHERE span = :span")
# Whoever is ranked has their days of the span looked up by the key: what a board costs grows with
# those who are on it, not with all that was ever earned.
_RANK = text("""
    INSERT INTO leaderboard_rank (span, region, bucket, person_id, starts_on, rank, points,
                                  people)
    SELECT :span, region, bucket, person_id, :first, rank, points, people FROM (
        SELECT region, bucket, person_id, points,
               rank() OVER (PARTITION BY region ORDER BY points DESC) AS rank,
               row_number() OVER (PARTITION BY region ORDER BY points DESC, person_id) AS row,
               count(*) OVER (PARTITION BY region) AS people
        FROM (
            SELECT region, bucket, person_id, earned.points
            FROM profile CROSS JOIN LATERAL (
                SELECT sum(points - reversed - taken_back)::int8 AS points FROM earning
                WHERE earning.bucket = profile.bucket AND earning.person_id = profile.person_id
                  AND local_day BETWEEN :first AND :last
            ) AS earned
            WHERE region IS NOT NULL AND is_ranked AND earned.points > 0
        ) AS earned
    ) AS ranked WHERE row <= :rows
""")
_BOARD = text("""
    SELECT starts_on, rank, points, people, display_name,
           coalesce(profile.is_ranked AND profile.region = board.region, false) AS is_shown
    FROM leaderboard_rank AS board LEFT JOIN profile USING (bucket, person_id)
    WHERE span = :span AND board.region = :region
    ORDER BY rank, person_id
""")


@dataclass(frozen=True, slots=True)
class Side:
    """One person's side of a friendship."""

    other: PersonId
    friendship_id: UUID
    state: str
    changed_at: datetime


def person_of(person_id: UUID) -> PersonId:
    """Return the person of an id: the bucket is its first bits."""
    return PersonId(bucket_of(person_id.bytes), person_id)


def _side(row: RowMapping | None) -> Side | None:
    if row is None:
        return None
    return Side(person_of(row["other_id"]), row["friendship_id"], row["state"], row["changed_at"])


async def side_towards(session: AsyncSession, person: PersonId, other: PersonId) -> Side | None:
    """Return what stands between `person` and `other`: friendship, request or block."""
    found = await session.execute(_BY_OTHER, named(person, other=other.id))
    return _side(found.mappings().one_or_none())


async def side_of(session: AsyncSession, person: PersonId, friendship_id: UUID) -> Side | None:
    """Return the friendship, request or block that `person` knows by this id."""
    found = await session.execute(_BY_FRIENDSHIP, named(person, friendship=friendship_id))
    return _side(found.mappings().one_or_none())


async def count_sides(session: AsyncSession, person: PersonId) -> int:
    """Return how many friendships, requests and blocks a person has."""
    return int((await session.execute(_COUNT, named(person))).scalar_one())


async def put_side(
    session: AsyncSession,
    person: PersonId,
    other: PersonId,
    *,
    friendship_id: UUID,
    state: str,
    now: datetime,
) -> None:
    """Make or change one side. The person's account must be locked."""
    parameters = named(person, other=other.id, friendship=friendship_id, state=state, now=now)
    await session.execute(_PUT, parameters)


async def delete_side(session: AsyncSession, person: PersonId, other: PersonId) -> None:
    """End one side."""
    await session.execute(_DELETE, named(person, other=other.id))


async def sides_after(
    session: AsyncSession, person: PersonId, *, after: UUID, state: str | None, limit: int
) -> list[Side]:
    """Return a person's friendships after an id, in the order of ids."""
    parameters = named(person, after=after, state=state, limit=limit)
    rows = (await session.execute(_LIST, parameters)).mappings()
    return [side for side in map(_side, rows) if side is not None]


async def friends_of(session: AsyncSession, person: PersonId) -> dict[PersonId, UUID]:
    """Return a person's friends, and the friendships' ids."""
    found = await session.execute(_FRIENDS, named(person))
    return {person_of(row.other_id): row.friendship_id for row in found}


async def names_of(session: AsyncSession, people: Sequence[PersonId]) -> dict[UUID, str]:
    """Return names that people chose to show; who chose none is left out."""
    found = await session.execute(_NAMES, _columns(people))
    return {row.person_id: row.display_name for row in found}


async def profile_of(session: AsyncSession, person: PersonId) -> RowMapping | None:
    """Return what a person chose to show."""
    return (await session.execute(_PROFILE, named(person))).mappings().one_or_none()


async def put_profile(
    session: AsyncSession,
    person: PersonId,
    *,
    display_name: str | None,
    region: str | None,
    is_ranked: bool,
) -> None:
    """Replace what a person shows."""
    parameters = named(person, display_name=display_name, region=region, is_ranked=is_ranked)
    await session.execute(_PUT_PROFILE, parameters)


async def put_shield(session: AsyncSession, person: PersonId, until: datetime) -> None:
    """Set until when a person's earnings are shielded. The account must be locked."""
    await session.execute(_PUT_SHIELD, named(person, until=until))


async def watered(session: AsyncSession, person: PersonId, friend: PersonId, day: date) -> int:
    """Return how often a person watered a friend on a day. The person's account must be locked."""
    found = await session.execute(_WATERED, named(person, other=friend.id, day=day))
    return int(found.scalar_one())


async def water(
    session: AsyncSession,
    person: PersonId,
    friend: PersonId,
    *,
    day: date,
    number: int,
    points: int,
    now: datetime,
) -> None:
    """Record a gift as a fact."""
    parameters = named(person, other=friend.id, day=day, number=number, points=points, now=now)
    await session.execute(_WATER, parameters)


async def open_earnings(
    session: AsyncSession, owner: PersonId, friend: PersonId, now: datetime
) -> Sequence[RowMapping]:
    """Return what is ripe and uncollected, and whether this friend took of it before."""
    found = await session.execute(_OPEN, named(owner, other=friend.id, now=now))
    return found.mappings().all()


async def take(
    session: AsyncSession,
    owner: PersonId,
    friend: PersonId,
    earning: RowMapping,
    *,
    points: int,
    now: datetime,
) -> None:
    """Record that a friend took points of an earning, once. Both accounts must be locked."""
    parameters = named(
        owner,
        other=friend.id,
        day=earning["local_day"],
        activity=earning["activity"],
        round=earning["round"],
        points=points,
        now=now,
    )
    await session.execute(_TAKE, parameters)


async def earned(
    session: AsyncSession, people: Sequence[PersonId], *, first: date, last: date
) -> Sequence[RowMapping]:
    """Return what each of the people earned on these days, with the name they show."""
    parameters = {**_columns(people), "first": first, "last": last}
    return (await session.execute(_EARNED, parameters)).mappings().all()


async def rank(session: AsyncSession, *, span: str, first: date, last: date) -> bool:
    """Make the boards of all regions anew; return False while another process does."""
    if not (await session.execute(_TRY_LOCK, {"lock": RANKING_LOCK})).scalar_one():
        return False
    await session.execute(_FORGET_BOARDS, {"span": span})
    parameters = {"span": span, "first": first, "last": last, "rows": BOARD_ROWS_MAX}
    await session.execute(_RANK, parameters)
    return True


async def board(session: AsyncSession, *, span: str, region: str) -> Sequence[RowMapping]:
    """Return the board of a region as it was made last; who has left it since is not shown."""
    return (await session.execute(_BOARD, {"span": span, "region": region})).mappings().all()


def _columns(people: Sequence[PersonId]) -> dict[str, object]:
    return {"buckets": [one.bucket for one in people], "people": [one.id for one in people]}

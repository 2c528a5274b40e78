"""SQL of erasing a person, in the tables of all folders. No decisions, no commit, no HTTP."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from service.partners.person import PersonId

# Whoever makes the account at this moment is waited for: what they record is erased, too.
_MAKE = text("""
    INSERT INTO account (bucket, person_id, created_at) VALUES (:bucket, :former, :now)
    ON CONFLICT DO NOTHING RETURNING 1
""")
_UNMAKE = text("DELETE FROM account WHERE bucket = :bucket AND person_id = :former")
_LOCK = text("""
    SELECT 1 FROM account WHERE bucket = :bucket AND person_id = :former FOR UPDATE
""")
_BURY = text("""
    INSERT INTO tombstone (bucket, person_id, erased_at) VALUES (:bucket, :former, :now)
    ON CONFLICT (bucket, person_id) DO UPDATE SET erased_at = excluded.erased_at
""")
_BEGIN = text("""
    INSERT INTO erasure (bucket, erasure_id, former_id, begun_at)
    VALUES (:bucket, :erasure, :former, :now)
""")
# Where friends keep what they gave to the person, or took of theirs, beside the person's own.
_BUCKETS = text("""
    SELECT CAST(:bucket AS int2) AS bucket
    UNION SELECT bucket FROM watering WHERE friend_id = :former
    UNION SELECT bucket FROM friend_take WHERE friend_id = :former
    ORDER BY bucket
""")
_FACTS = text("SELECT erase_facts(CAST(:in_bucket AS int2), :former, :anonym, :now)")
_EVENTS = text("""
    SELECT source, event_id FROM action WHERE bucket = :bucket AND person_id = :former
""")
_POINTERS = text("""
    DELETE FROM hook_event USING unnest(
        CAST(:buckets AS int2[]), CAST(:sources AS text[]), CAST(:events AS text[])
    ) AS input(bucket, source, event_id)
    WHERE hook_event.bucket = input.bucket AND hook_event.source = input.source
      AND hook_event.event_id = input.event_id
""")
# What is no fact. The first ones are renamed, as sums are made of them; the others go.
_REST = tuple(
    text(statement)
    for statement in (
        """
        UPDATE account SET person_id = :anonym WHERE bucket = :bucket AND person_id = :former
        """,
        """
        UPDATE earning SET person_id = :anonym, legs = NULL
        WHERE bucket = :bucket AND person_id = :former
        """,
        """
        UPDATE certificate SET display_name = NULL FROM tree_order
        WHERE tree_order.bucket = :bucket AND tree_order.person_id = :former
          AND certificate.bucket = tree_order.bucket AND certificate.serial = tree_order.serial
        """,
        """
        UPDATE tree_order SET person_id = :anonym WHERE bucket = :bucket AND person_id = :former
        """,
        """
        UPDATE pool_contribution SET person_id = :anonym FROM pool_member
        WHERE pool_member.person_bucket = :bucket AND pool_member.person_id = :former
          AND pool_contribution.bucket = pool_member.bucket
          AND pool_contribution.pool_id = pool_member.pool_id
          AND pool_contribution.person_id = :former
        """,
        """
        UPDATE pool_member SET person_id = :anonym, display_name = NULL
        WHERE person_bucket = :bucket AND person_id = :former
        """,
        """
        DELETE FROM stored_answer WHERE person_id IN (
            SELECT CAST(:former AS uuid)
            UNION SELECT other_id FROM friend WHERE bucket = :bucket AND person_id = :former
            UNION SELECT mate.person_id FROM pool_member AS own JOIN pool_member AS mate
                USING (bucket, pool_id)
            WHERE own.person_bucket = :bucket AND own.person_id = :anonym)
        """,
        """
        DELETE FROM stored_answer WHERE caller = encode(sha256(convert_to(
            'person:' || CAST(CAST(:former AS uuid) AS text), 'UTF8')), 'hex')
        """,
        """
        DELETE FROM proposal WHERE body ->> 'person_id' = CAST(CAST(:former AS uuid) AS text)
        """,
        "DELETE FROM claim_meeting WHERE bucket = :bucket AND person_id = :former",
        "DELETE FROM friend WHERE bucket = :bucket AND person_id = :former",
        "DELETE FROM friend WHERE other_id = :former",
        "DELETE FROM profile WHERE bucket = :bucket AND person_id = :former",
        "DELETE FROM leaderboard_rank WHERE bucket = :bucket AND person_id = :former",
    )
)

_UNFINISHED = text("""
    SELECT bucket, erasure_id, former_id FROM erasure WHERE finished_at IS NULL
    ORDER BY begun_at LIMIT :limit
""")
_TOLD = text("""
    SELECT DISTINCT endpoint_id, told.bucket, coalesce(partner, '') AS partner
    FROM webhook_sequence AS told LEFT JOIN webhook_endpoint USING (endpoint_id)
    WHERE person_id = :former ORDER BY endpoint_id
""")
# A window of the endpoint's deliveries at a time, by their ids: what it costs is bounded.
_WINDOW = text("""
    SELECT bucket, delivery_id, body, position(CAST(:needle AS bytea) IN body) > 0 AS is_about
    FROM webhook_delivery
    WHERE bucket = :bucket AND endpoint_id = :endpoint AND delivery_id > :after
    ORDER BY delivery_id LIMIT :limit
""")
_REWRITE = text("""
    UPDATE webhook_delivery SET body = :body, notices = :notices
    WHERE bucket = :bucket AND delivery_id = :delivery
""")
_ATTEMPTS = text("""
    DELETE FROM webhook_attempt WHERE bucket = :bucket AND delivery_id = :delivery
""")
_DELIVERY = text("""
    DELETE FROM webhook_delivery WHERE bucket = :bucket AND delivery_id = :delivery
""")
_SEQUENCES = text("DELETE FROM webhook_sequence WHERE person_id = :former")
_FINISH = text("""
    UPDATE erasure SET former_id = NULL, finished_at = :now
    WHERE bucket = :bucket AND erasure_id = :erasure AND finished_at IS NULL
""")
_FORGET = text("DELETE FROM tombstone WHERE erased_at < :before")


@dataclass(frozen=True, slots=True)
class Unfinished:
    """An erasure whose last traces are still to be removed."""

    bucket: int
    erasure_id: UUID
    former_id: UUID


@dataclass(frozen=True, slots=True)
class Sent:
    """A delivery, and whether it is about the person who is looked for."""

    bucket: int
    delivery_id: UUID
    body: bytes
    is_about: bool


async def lock(session: AsyncSession, former: PersonId, now: datetime) -> bool:
    """Lock the account of a person, making it if it is missing; whether it was there."""
    named = {"bucket": former.bucket, "former": former.id, "now": now}
    made = (await session.execute(_MAKE, named)).scalar()
    await session.execute(_LOCK, named)
    return made is None


async def unmake(session: AsyncSession, former: PersonId) -> None:
    """Delete an account that was made to be locked."""
    await session.execute(_UNMAKE, {"bucket": former.bucket, "former": former.id})


async def begin(session: AsyncSession, former: PersonId, erasure_id: UUID, now: datetime) -> None:
    """Put up the tombstone, and write down that the erasure has begun."""
    named = {"bucket": former.bucket, "former": former.id, "erasure": erasure_id, "now": now}
    await session.execute(_BURY, named)
    await session.execute(_BEGIN, named)


async def events_of(session: AsyncSession, former: PersonId) -> list[tuple[str, str]]:
    """Return source and id of a person's events."""
    named = {"bucket": former.bucket, "former": former.id}
    return [(row[0], row[1]) for row in await session.execute(_EVENTS, named)]


async def forget_pointers(session: AsyncSession, pointers: Sequence[tuple[int, str, str]]) -> None:
    """Delete where connectors find the actions of events: (bucket, source, event id)."""
    buckets, sources, events = (list(column) for column in zip(*pointers, strict=True))
    named = {"buckets": buckets, "sources": sources, "events": events}
    await session.execute(_POINTERS, named)


async def erase(session: AsyncSession, former: PersonId, anonym: UUID, now: datetime) -> int:
    """Empty and rename the facts, then all else; return how many actions there were."""
    named = {"bucket": former.bucket, "former": former.id, "anonym": anonym, "now": now}
    actions = 0
    for bucket in (await session.execute(_BUCKETS, named)).scalars().all():
        found = await session.execute(_FACTS, {**named, "in_bucket": bucket})
        actions += found.scalar_one()
    for statement in _REST:
        await session.execute(statement, named)
    return actions


async def unfinished(session: AsyncSession, limit: int) -> list[Unfinished]:
    """Return erasures that are not finished, the oldest first."""
    rows = await session.execute(_UNFINISHED, {"limit": limit})
    return [Unfinished(*row) for row in rows]


async def endpoints_told(session: AsyncSession, former: UUID) -> list[tuple[UUID, int, str]]:
    """Return the endpoints that were sent something about a person: bucket and partner, too."""
    return [(row[0], row[1], row[2]) for row in await session.execute(_TOLD, {"former": former})]


async def window(
    session: AsyncSession, endpoint: tuple[UUID, int], needle: bytes, *, after: UUID, limit: int
) -> list[Sent]:
    """Return an endpoint's next deliveries, and whether each holds `needle`."""
    named = {
        "endpoint": endpoint[0], "bucket": endpoint[1], "needle": needle, "after": after,
        "limit": limit,
    }  # fmt: skip
    return [Sent(*row) for row in await session.execute(_WINDOW, named)]


async def rewrite_delivery(
    session: AsyncSession, bucket: int, delivery_id: UUID, body: bytes | None, notices: int
) -> None:
    """Give a delivery another body; None: delete it and its attempts."""
    named = {"bucket": bucket, "delivery": delivery_id, "body": body, "notices": notices}
    if body is not None:
        await session.execute(_REWRITE, named)
        return
    await session.execute(_ATTEMPTS, named)
    await session.execute(_DELIVERY, named)


async def finish(session: AsyncSession, one: Unfinished, now: datetime) -> None:
    """Forget the former id itself."""
    await session.execute(_SEQUENCES, {"former": one.former_id})
    await session.execute(_FINISH, {"bucket": one.bucket, "erasure": one.erasure_id, "now": now})


async def forget_tombstones(session: AsyncSession, before: datetime) -> None:
    """Delete tombstones from before a moment."""
    await session.execute(_FORGET, {"before": before})

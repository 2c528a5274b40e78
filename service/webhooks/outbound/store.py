"""SQL of endpoints, deliveries and attempts. No decisions, no commit, no HTTP."""

from collections.abc import Collection, Sequence
from datetime import date, datetime
from typing import Any, NamedTuple, TypeAlias
from uuid import UUID

import asyncpg
from sqlalchemy import RowMapping, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, func, select

from service.webhooks.outbound.tables import WebhookEndpoint

Connection: TypeAlias = (  # quoted: generic for the type checker only
    "asyncpg.Connection[asyncpg.Record] | asyncpg.pool.PoolConnectionProxy[asyncpg.Record]"
)

WAITING, DELIVERED, FAILED = "waiting", "delivered", "failed"
BUCKETS = 1024
PROJECTOR_LOCK = 0x5A78_0015  # advisory lock: one projector of notices at a time
BACKLOG_COUNTED_MAX = 100_000

_TRY_LOCK = text(f"SELECT pg_try_advisory_xact_lock({PROJECTOR_LOCK})")

_ACTIONS = text("""
    SELECT batch_id, bucket, coalesce(customer_id, person_id) AS person_id, source, event_id,
           action_id, partner, activity, region,
           occurred_at, utc_offset_min, local_day, outcome, reason, detail, gross_mg, avoided_mg,
           points, methodology, evidence_level, scope, ripens_at, digest, salt
    FROM action
    WHERE batch_id = ANY (CAST(:batches AS uuid[])) AND partner = ANY (CAST(:partners AS text[]))
      AND erased_at IS NULL
""")
_REVERSALS = text("""
    SELECT reversal.batch_id, coalesce(action.customer_id, reversal.person_id) AS person_id,
           reversal.action_id, reversal.reason,
           reversal.local_day, reversal.avoided_mg, reversal.points, reversal.from_earning,
           reversal.from_balance, reversal.as_debt, action.partner, action.source,
           action.event_id, action.activity
    FROM unnest(CAST(:buckets AS int2[]), CAST(:batches AS uuid[])) AS input(bucket, batch_id)
    JOIN reversal ON reversal.bucket = input.bucket AND reversal.batch_id = input.batch_id
    JOIN action ON action.bucket = reversal.bucket AND action.person_id = reversal.person_id
        AND action.local_day = reversal.local_day AND action.action_id = reversal.action_id
        AND action.erased_at IS NULL
""")
_REPORTERS = text("""
    SELECT DISTINCT input.person_id, input.local_day, input.activity, action.partner
    FROM unnest(CAST(:buckets AS int2[]), CAST(:people AS uuid[]), CAST(:days AS date[]),
                CAST(:activities AS text[])) AS input(bucket, person_id, local_day, activity)
    JOIN action ON action.bucket = input.bucket AND action.person_id = input.person_id
        AND action.local_day = input.local_day AND action.activity = input.activity
    WHERE partner = ANY (CAST(:partners AS text[]))
""")
_COUNT_ON = text("""
    INSERT INTO webhook_sequence AS had (bucket, endpoint_id, person_id, last)
    SELECT * FROM unnest(CAST(:buckets AS int2[]), CAST(:endpoints AS uuid[]),
                         CAST(:people AS uuid[]), CAST(:counts AS int8[]))
    ON CONFLICT (bucket, endpoint_id, person_id) DO UPDATE SET last = had.last + excluded.last
    RETURNING endpoint_id, person_id, last
""")
_ADD = text("""
    INSERT INTO webhook_delivery (bucket, delivery_id, endpoint_id, type, notices, body, state,
                                  created_at, due_at)
    SELECT input.*, :state, :now, :now
    FROM unnest(CAST(:buckets AS int2[]), CAST(:ids AS uuid[]), CAST(:endpoints AS uuid[]),
                CAST(:types AS text[]), CAST(:notices AS int4[]), CAST(:bodies AS bytea[])) AS input
""")

# Each endpoint gives as many as it has room for: what is in flight here counts, and one whose
# breaker was open gets a single probe. Those with the least in flight are asked first, so that
# busy ones starve nobody when there is less room than work. Taking a delivery moves its moment
# behind the longest attempt, so that another sender takes it only if this one died. Each statement
# of the sender is a transaction of its own; leases and attempts do not wait for the disk, since
# what is lost with the server is only sent again.
_RELAXED = "relaxed AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', true))"
_LEASE = f"""
    WITH {_RELAXED}, free AS MATERIALIZED (
        SELECT endpoint.bucket, endpoint.endpoint_id,
               CASE WHEN open_until IS NULL THEN $3::int4 ELSE 1 END
                   - coalesce(busy.count, 0) AS room
        FROM webhook_endpoint AS endpoint
        LEFT JOIN unnest($1::uuid[], $2::int4[])
             AS busy(endpoint_id, count) USING (endpoint_id)
        WHERE disabled_at IS NULL AND (open_until IS NULL OR open_until <= $5::timestamptz)
        ORDER BY coalesce(busy.count, 0), random()
    ), due AS (
        SELECT queue.bucket, queue.delivery_id
        FROM relaxed CROSS JOIN free CROSS JOIN LATERAL (
            SELECT bucket, delivery_id FROM webhook_delivery AS delivery
            WHERE delivery.bucket = free.bucket AND delivery.endpoint_id = free.endpoint_id
              AND state = 'waiting' AND due_at <= $5::timestamptz
            ORDER BY due_at, delivery_id LIMIT greatest(free.room, 0)
            FOR UPDATE SKIP LOCKED
        ) AS queue
        LIMIT $4
    )
    UPDATE webhook_delivery AS delivery SET due_at = $6, attempts = attempts + 1
    FROM due, webhook_endpoint AS endpoint
    WHERE delivery.bucket = due.bucket AND delivery.delivery_id = due.delivery_id
      AND endpoint.endpoint_id = delivery.endpoint_id
    RETURNING delivery.bucket, delivery.delivery_id, delivery.endpoint_id, delivery.type,
              delivery.attempts, delivery.earlier, delivery.body, endpoint.url, endpoint.sealed,
              CASE WHEN endpoint.old_until > $5 THEN endpoint.old_sealed END AS old_sealed
"""

# Somebody else has it when the number is another: this sender was so slow that it was given up.
_KEEP_ATTEMPTS = f"""
    WITH {_RELAXED}, input AS (
        SELECT * FROM unnest(
            $1::int2[], $2::uuid[], $3::int4[],
            $4::timestamptz[], $5::int4[], $6::text[],
            $7::int2[], $8::text[], $9::bytea[],
            $10::text[], $11::timestamptz[])
        AS each(bucket, delivery_id, number, started_at, duration_ms, result, status, error,
                answer, state, due_at)
    ), kept AS (
        INSERT INTO webhook_attempt (bucket, delivery_id, number, started_at, duration_ms, result,
                                     status, error, answer)
        SELECT bucket, delivery_id, number, started_at, duration_ms, result, status, error, answer
        FROM relaxed CROSS JOIN input
        ON CONFLICT DO NOTHING
    ), closed AS (
        UPDATE webhook_endpoint
        SET failures = 0, trips = 0, failing_since = NULL, open_until = NULL
        WHERE endpoint_id = ANY ($12::uuid[])
          AND (failing_since IS NOT NULL OR open_until IS NOT NULL)
    )
    UPDATE webhook_delivery AS delivery
    SET state = input.state, due_at = coalesce(input.due_at, delivery.due_at),
        settled_at = CASE WHEN input.state <> 'waiting' THEN $13::timestamptz END
    FROM input
    WHERE delivery.bucket = input.bucket AND delivery.delivery_id = input.delivery_id
      AND delivery.attempts = input.number AND delivery.state = 'waiting'
"""
_KEYS = text("SELECT DISTINCT key_prefix FROM webhook_endpoint WHERE disabled_at IS NULL")
_DISABLE_OF_KEYS = text("""
    UPDATE webhook_endpoint SET disabled_at = :now, disabled_reason = :reason
    WHERE disabled_at IS NULL
      AND (key_prefix = ANY (CAST(:keys AS text[])) OR (key_prefix IS NULL AND :nobody))
    RETURNING endpoint_id
""")
_COUNT_FAILURES = text("""
    UPDATE webhook_endpoint SET
        failures = failures + :failures,
        failing_since = CASE WHEN :failures > 0 THEN coalesce(failing_since, :now)
                             ELSE failing_since END,
        trips = trips + CASE WHEN failures + :failures >= :threshold
                              AND (open_until IS NULL OR open_until <= :now) THEN 1 ELSE 0 END,
        open_until = greatest(
            open_until,
            CASE WHEN failures + :failures >= :threshold
                  AND (open_until IS NULL OR open_until <= :now)
                 THEN :now + make_interval(secs => :jitter
                                           * least(:first * power(2, least(trips, 20)), :most)) END,
            CASE WHEN :wait > 0 THEN :now + make_interval(secs => :wait) END)
    WHERE endpoint_id = :endpoint
    RETURNING failing_since
""")
_DISABLE = text("""
    UPDATE webhook_endpoint SET disabled_at = :now, disabled_reason = :reason
    WHERE endpoint_id = :endpoint AND disabled_at IS NULL
    RETURNING endpoint_id, bucket, partner, url, types
""")

_SHOWN = """
    delivery.bucket, delivery.delivery_id, delivery.endpoint_id, delivery.type, delivery.notices,
    delivery.state, delivery.attempts AS tries, delivery.created_at, delivery.due_at,
    delivery.settled_at
"""
_LIST = text(f"""
    SELECT {_SHOWN}, coalesce(log.attempts, '[]'::jsonb) AS attempts
    FROM webhook_delivery AS delivery CROSS JOIN LATERAL (
        SELECT jsonb_agg(jsonb_build_object(
            'number', number, 'started_at', started_at, 'duration_ms', duration_ms,
            'result', result, 'status', status, 'error', error,
            'answer', encode(answer, 'base64')) ORDER BY number) AS attempts
        FROM webhook_attempt AS attempt
        WHERE attempt.bucket = delivery.bucket AND attempt.delivery_id = delivery.delivery_id
    ) AS log
    WHERE delivery.bucket = :bucket AND delivery.endpoint_id = :endpoint
      AND delivery.delivery_id < :before
      AND (CAST(:state AS text) IS NULL OR delivery.state = :state)
      AND (CAST(:type AS text) IS NULL OR delivery.type = :type)
      AND (CAST(:since AS timestamptz) IS NULL OR delivery.created_at >= :since)
      AND (CAST(:until AS timestamptz) IS NULL OR delivery.created_at < :until)
    ORDER BY delivery.delivery_id DESC LIMIT :limit
""").columns(attempts=JSONB)
_ONE = text("""
    SELECT delivery.body, endpoint.endpoint_id, endpoint.bucket
    FROM webhook_delivery AS delivery JOIN webhook_endpoint AS endpoint USING (endpoint_id)
    WHERE delivery.bucket = :bucket AND delivery.delivery_id = :delivery
      AND endpoint.partner = :partner
""")
_AGAIN = """
    UPDATE webhook_delivery SET state = 'waiting', due_at = :now, earlier = attempts,
                                settled_at = NULL
    WHERE bucket = :bucket AND {which}
"""
_AGAIN_ONE = text(
    _AGAIN.format(which="delivery_id = :delivery AND (state <> 'waiting' OR due_at > :now)")
)
_AGAIN_RANGE = text(
    _AGAIN.format(
        which="""
    endpoint_id = :endpoint AND state <> 'waiting' AND (NOT :failed OR state = 'failed')
    AND created_at >= :since AND created_at < :until
"""
    )
)

_GIVE_UP = text("""
    UPDATE webhook_delivery SET state = 'failed', settled_at = :now
    WHERE (bucket, delivery_id) IN (
        SELECT delivery.bucket, delivery.delivery_id
        FROM webhook_endpoint AS endpoint JOIN webhook_delivery AS delivery
             ON delivery.bucket = endpoint.bucket AND delivery.endpoint_id = endpoint.endpoint_id
        WHERE state = 'waiting' AND due_at < :before
        LIMIT :limit FOR UPDATE OF delivery SKIP LOCKED)
""")
_FORGET = text("""
    WITH gone AS (
        DELETE FROM webhook_delivery WHERE (bucket, delivery_id) IN (
            SELECT bucket, delivery_id FROM webhook_delivery WHERE created_at < :before
            ORDER BY created_at LIMIT :limit FOR UPDATE SKIP LOCKED)
        RETURNING bucket, delivery_id
    ), tries AS (
        DELETE FROM webhook_attempt USING gone
        WHERE webhook_attempt.bucket = gone.bucket
          AND webhook_attempt.delivery_id = gone.delivery_id
    )
    SELECT count(*) FROM gone
""")
_DROP_SEQUENCES = text(
    "DELETE FROM webhook_sequence WHERE bucket = :bucket AND endpoint_id = :endpoint"
)
_BACKLOG = text(f"""
    SELECT count(*) AS waiting,
           coalesce(extract(epoch FROM CAST(:now AS timestamptz) - min(created_at)), 0)::float8
               AS oldest_s
    FROM (SELECT delivery.created_at
          FROM webhook_endpoint AS endpoint JOIN webhook_delivery AS delivery
               ON delivery.bucket = endpoint.bucket AND delivery.endpoint_id = endpoint.endpoint_id
          WHERE state = 'waiting' AND disabled_at IS NULL LIMIT {BACKLOG_COUNTED_MAX}) AS queued
""")


class NewDelivery(NamedTuple):
    """A message to be sent: `body` as it will be, byte for byte."""

    bucket: int
    delivery_id: UUID
    endpoint_id: UUID
    type: str
    notices: int
    body: bytes


class Leased(NamedTuple):
    """A delivery that is ours to try now; `number` is this attempt's."""

    bucket: int
    delivery_id: UUID
    endpoint_id: UUID
    type: str
    number: int
    earlier: int
    body: bytes
    url: str
    sealed: bytes
    old_sealed: bytes | None


class Settled(NamedTuple):
    """What came of one attempt, and what becomes of its delivery."""

    delivery: Leased
    started_at: datetime
    duration_ms: int
    result: str
    status: int | None
    error: str | None
    answer: bytes | None
    state: str
    due_at: datetime | None


async def lock_projection(session: AsyncSession) -> bool:
    """Return whether this transaction is the only projector of notices now."""
    return bool((await session.execute(_TRY_LOCK)).scalar_one())


async def listening_endpoints(session: AsyncSession, since: datetime) -> Sequence[WebhookEndpoint]:
    """Endpoints that notices are kept for: all but those disabled before `since`."""
    query = select(WebhookEndpoint).where(
        col(WebhookEndpoint.disabled_at).is_(None) | (col(WebhookEndpoint.disabled_at) > since)
    )
    return (await session.scalars(query)).all()


async def actions_of(
    session: AsyncSession, batches: Sequence[UUID], partners: Sequence[str]
) -> Sequence[RowMapping]:
    """Return the actions of some batches that these partners reported, in no order."""
    named = {"batches": list(batches), "partners": list(partners)}
    return (await session.execute(_ACTIONS, named)).mappings().all()


async def reversals_of(
    session: AsyncSession, batches: Sequence[tuple[int, UUID]]
) -> Sequence[RowMapping]:
    """Return the reversals of some (bucket, batch), with what they took back."""
    named = {"buckets": [one[0] for one in batches], "batches": [one[1] for one in batches]}
    return (await session.execute(_REVERSALS, named)).mappings().all()


async def reporters_of(
    session: AsyncSession,
    earnings: Collection[tuple[int, UUID, date, str]],
    partners: Sequence[str],
) -> dict[tuple[UUID, date, str], list[str]]:
    """Return which of these partners reported actions behind earnings of (bucket, person, day,
    activity).

    Partners are in the order of their names.
    """
    buckets, people, days, activities = map(list, zip(*earnings, strict=True))
    named = {"buckets": buckets, "people": people, "days": days, "activities": activities,
             "partners": list(partners)}  # fmt: skip
    found: dict[tuple[UUID, date, str], list[str]] = {}
    for *earning, partner in sorted(map(tuple, await session.execute(_REPORTERS, named))):
        person, day, activity = earning
        found.setdefault((person, day, activity), []).append(partner)
    return found


async def count_on(
    session: AsyncSession, counts: Sequence[tuple[int, UUID, UUID, int]]
) -> dict[tuple[UUID, UUID], int]:
    """Raise the numbers of (bucket, endpoint, person) by a count; return the last by both ids."""
    buckets, endpoints, people, raised = map(list, zip(*sorted(counts), strict=True))
    named = {"buckets": buckets, "endpoints": endpoints, "people": people, "counts": raised}
    found = await session.execute(_COUNT_ON, named)
    return {(row.endpoint_id, row.person_id): row.last for row in found}


async def add_deliveries(
    session: AsyncSession, deliveries: Sequence[NewDelivery], now: datetime, state: str = WAITING
) -> None:
    """Store deliveries; those that wait are due at once."""
    buckets, ids, endpoints, types, notices, bodies = map(list, zip(*deliveries, strict=True))
    await session.execute(
        _ADD,
        {"buckets": buckets, "ids": ids, "endpoints": endpoints, "types": types,
         "notices": notices, "bodies": bodies, "state": state, "now": now},
    )  # fmt: skip


async def lease(
    connection: Connection,
    *,
    busy: dict[UUID, int],
    cap: int,
    limit: int,
    now: datetime,
    until: datetime,
) -> list[Leased]:
    """Take up to `limit` deliveries that are due; they are ours alone until `until`."""
    found = await connection.fetch(_LEASE, list(busy), list(busy.values()), cap, limit, now, until)
    return [Leased(*row) for row in found]


async def keep_attempts(
    connection: Connection, settled: Sequence[Settled], *, well: Sequence[UUID], now: datetime
) -> None:
    """Write down what came of attempts, and settle their deliveries or make them wait.

    The failures of endpoints that did `well` are forgotten.
    """
    await connection.execute(
        _KEEP_ATTEMPTS,
        [one.delivery.bucket for one in settled],
        [one.delivery.delivery_id for one in settled],
        [one.delivery.number for one in settled],
        [one.started_at for one in settled],
        [one.duration_ms for one in settled],
        [one.result for one in settled],
        [one.status for one in settled],
        [one.error for one in settled],
        [one.answer for one in settled],
        [one.state for one in settled],
        [one.due_at for one in settled],
        list(well),
        now,
    )


async def count_failures(
    session: AsyncSession,
    endpoint: UUID,
    *,
    failures: int,
    threshold: int,
    first_s: float,
    most_s: float,
    jitter: float,
    wait_s: int,
    now: datetime,
) -> datetime | None:
    """Count failures, open the breaker from `threshold` on, and return since when it fails."""
    named = {
        "endpoint": endpoint, "failures": failures, "threshold": threshold, "first": first_s,
        "most": most_s, "jitter": jitter, "wait": wait_s, "now": now,
    }  # fmt: skip
    found: datetime | None = (await session.execute(_COUNT_FAILURES, named)).scalar()
    return found


async def disable(
    session: AsyncSession, endpoint: UUID, reason: str, now: datetime
) -> RowMapping | None:
    """Disable an endpoint; None when it is gone or was disabled already."""
    named = {"endpoint": endpoint, "reason": reason, "now": now}
    return (await session.execute(_DISABLE, named)).mappings().one_or_none()


async def keys_of_endpoints(session: AsyncSession) -> list[str | None]:
    """Return the keys that answer for endpoints which are sent to; None among them for nobody."""
    return list(await session.scalars(_KEYS))


async def disable_of_keys(
    session: AsyncSession, prefixes: Sequence[str | None], reason: str, now: datetime
) -> list[UUID]:
    """Disable the endpoints of these keys, None among them, and return their ids."""
    known = [prefix for prefix in prefixes if prefix is not None]
    named = {"keys": known, "nobody": None in prefixes, "reason": reason, "now": now}
    return list(await session.scalars(_DISABLE_OF_KEYS, named))


async def find_endpoint(
    session: AsyncSession, endpoint_id: UUID, partner: str, *, lock: bool = False
) -> WebhookEndpoint | None:
    """Return a partner's endpoint."""
    query = select(WebhookEndpoint).where(
        col(WebhookEndpoint.endpoint_id) == endpoint_id, col(WebhookEndpoint.partner) == partner
    )
    return (await session.scalars(query.with_for_update() if lock else query)).one_or_none()


async def endpoints_before(
    session: AsyncSession, partner: str, before: UUID, limit: int
) -> Sequence[WebhookEndpoint]:
    """Return a partner's endpoints before an id, newest first."""
    query = (
        select(WebhookEndpoint)
        .where(col(WebhookEndpoint.partner) == partner, col(WebhookEndpoint.endpoint_id) < before)
        .order_by(col(WebhookEndpoint.endpoint_id).desc())
        .limit(limit)
    )
    return (await session.scalars(query)).all()


async def count_endpoints(session: AsyncSession, partner: str) -> int:
    """Return how many endpoints a partner has."""
    query = select(func.count()).where(col(WebhookEndpoint.partner) == partner)
    return int((await session.execute(query)).scalar_one())


async def delete_endpoint(session: AsyncSession, endpoint: WebhookEndpoint) -> None:
    """Remove an endpoint and its people's numbers; its deliveries have no endpoint any more."""
    named = {"bucket": endpoint.bucket, "endpoint": endpoint.endpoint_id}
    await session.execute(_DROP_SEQUENCES, named)
    await session.delete(endpoint)
    await session.flush()


async def deliveries_before(
    session: AsyncSession, *, bucket: int, endpoint: UUID, before: UUID, limit: int, **filters: Any
) -> Sequence[RowMapping]:
    """Return an endpoint's deliveries before an id, newest first, with their attempts.

    `filters` are `state`, `type`, `since` and `until`, each None for any.
    """
    named = {"bucket": bucket, "endpoint": endpoint, "before": before, "limit": limit, **filters}
    return (await session.execute(_LIST, named)).mappings().all()


async def find_delivery(
    session: AsyncSession, delivery_id: UUID, partner: str
) -> RowMapping | None:
    """Return a partner's delivery and its endpoint."""
    named = {"bucket": delivery_id.int % BUCKETS, "delivery": delivery_id, "partner": partner}
    return (await session.execute(_ONE, named)).mappings().one_or_none()


async def send_again(session: AsyncSession, delivery_id: UUID, now: datetime) -> None:
    """Make a delivery due now, with all its tries before it."""
    named = {"bucket": delivery_id.int % BUCKETS, "delivery": delivery_id, "now": now}
    await session.execute(_AGAIN_ONE, named)


async def send_range_again(
    session: AsyncSession,
    endpoint: WebhookEndpoint,
    *,
    since: datetime,
    until: datetime,
    failed: bool,
    now: datetime,
) -> int:
    """Make settled deliveries of a time due again, or only the failed ones, and return how many."""
    named = {
        "bucket": endpoint.bucket, "endpoint": endpoint.endpoint_id, "since": since,
        "until": until, "failed": failed, "now": now,
    }  # fmt: skip
    done = await session.execute(_AGAIN_RANGE, named)
    return int(done.rowcount)  # type: ignore[attr-defined]  # an UPDATE's result has it


async def give_up_before(session: AsyncSession, before: datetime, now: datetime, limit: int) -> int:
    """Fail up to `limit` deliveries whose turn was due before a moment, and return how many."""
    done = await session.execute(_GIVE_UP, {"before": before, "now": now, "limit": limit})
    return int(done.rowcount)  # type: ignore[attr-defined]  # an UPDATE's result has it


async def forget_before(session: AsyncSession, before: datetime, limit: int) -> int:
    """Remove up to `limit` deliveries made before a moment and their attempts; return how many."""
    return int((await session.execute(_FORGET, {"before": before, "limit": limit})).scalar_one())


async def backlog(session: AsyncSession, now: datetime) -> tuple[int, float]:
    """Deliveries that wait (counted up to a limit), and the age of the oldest in seconds."""
    row = (await session.execute(_BACKLOG, {"now": now})).one()
    return int(row.waiting), float(row.oldest_s)


async def lock_endpoints(session: AsyncSession) -> Sequence[WebhookEndpoint]:
    """Return all endpoints, locked for this transaction, in the order of their ids."""
    query = select(WebhookEndpoint).order_by(col(WebhookEndpoint.endpoint_id)).with_for_update()
    return (await session.execute(query)).scalars().all()

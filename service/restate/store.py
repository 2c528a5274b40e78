"""SQL of restating and comparing. No decisions, no commit, no HTTP."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, RowMapping, bindparam, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from service.intake.outcome import LIMITED
from service.restate.decide import Moved, Past, RoomChange, Value

RUN_LOCK = 0x5A78_0011  # advisory: one process restates, one is at a shadow run
DECIDED = ("credited", "capped", "zero")
PEOPLE_MAX = 500  # in one transaction

RESTATEMENT_COLUMNS = (
    "bucket", "person_id", "action_id", "sequence", "run_id", "batch_id", "local_day",
    "old_methodology", "old_region", "old_gross_mg", "old_avoided_mg", "old_uncertainty_mg",
    "methodology", "region", "gross_mg", "avoided_mg", "uncertainty_mg", "quantity_milli",
    "outcome", "reason", "detail", "recorded_at", "salt",
)  # fmt: skip

_RUN_COLUMNS = """
    run_id, kind, methodology, from_version, target, first_day, last_day, sample_ppm, status,
    next_bucket, next_person, people, actions, result, started_at, finished_at
"""
_UNFINISHED = text(f"""
    SELECT {_RUN_COLUMNS} FROM methodology_run
    WHERE kind = :kind AND methodology = :methodology AND status = 'running'
    ORDER BY run_id
""").columns(result=JSONB)
_RUN = text(f"SELECT {_RUN_COLUMNS} FROM methodology_run WHERE run_id = :run_id").columns(
    result=JSONB
)
_LOCK_RUN = text(f"""
    SELECT {_RUN_COLUMNS} FROM methodology_run WHERE run_id = :run_id FOR UPDATE
""").columns(result=JSONB)
_RUNS = text(f"""
    SELECT {_RUN_COLUMNS} FROM methodology_run
    WHERE run_id < :before AND (CAST(:kind AS text) IS NULL OR kind = :kind)
    ORDER BY run_id DESC LIMIT :limit
""").columns(result=JSONB)
_BEGIN = text("""
    INSERT INTO methodology_run (run_id, kind, methodology, from_version, target, first_day,
        last_day, sample_ppm, status, next_bucket, next_person, people, actions, result, started_at)
    VALUES (:run_id, :kind, :methodology, :from_version, :target, :first_day, :last_day,
        :sample_ppm, 'running', -1, '00000000-0000-0000-0000-000000000000', 0, 0, :result, :now)
""").bindparams(bindparam("result", type_=JSON))
_ADVANCE = text("""
    UPDATE methodology_run SET next_bucket = :bucket, next_person = :person,
        people = :people, actions = :actions, result = :result
    WHERE run_id = :run_id
""").bindparams(bindparam("result", type_=JSON))
_END = text("""
    UPDATE methodology_run SET status = 'done', finished_at = :now WHERE run_id = :run_id
""")
_TRY_LOCK = text("SELECT pg_try_advisory_lock(:lock, hashtext(:what))")
_UNLOCK = text("SELECT pg_advisory_unlock(:lock, hashtext(:what))")

_OF_THE_RUN = """
    local_day BETWEEN :first_day AND :last_day AND activity = :activity
    AND outcome = ANY (CAST(:outcomes AS text[])) AND erased_at IS NULL
"""
_PEOPLE = text(f"""
    SELECT bucket, person_id, count(*) AS actions FROM action
    WHERE (bucket, person_id) > (CAST(:bucket AS int2), CAST(:person AS uuid)) AND {_OF_THE_RUN}
    GROUP BY bucket, person_id ORDER BY bucket, person_id LIMIT {PEOPLE_MAX}
""")
_COUNT = text(f"SELECT count(*) FROM action WHERE {_OF_THE_RUN}")

# One probe of the key for each person, in their order: every transaction locks in that order.
_LOCK_ACCOUNTS = text("""
    SELECT count(*) FROM unnest(CAST(:buckets AS int2[]), CAST(:people AS uuid[]))
        AS input(bucket, person_id)
    CROSS JOIN LATERAL (
        SELECT 1 FROM account
        WHERE account.bucket = input.bucket AND account.person_id = input.person_id
        FOR UPDATE
    ) AS account
""")
_ACTIONS = text(f"""
    SELECT action.bucket, action.person_id, action.action_id, action.local_day, action.recorded_at,
           action.partner, action.activity, action.region, action.evidence_level,
           CASE WHEN transfer.action_id IS NULL THEN action.scope ELSE 'transferred' END AS scope,
           CASE WHEN corroboration.is_first THEN 'L2' ELSE action.evidence_level END
               AS counted_level,
           action.data, action.points,
           action.outcome = 'capped' AND starts_with(action.reason, '{LIMITED}') AS was_limited,
           reversal.action_id IS NOT NULL AS is_reversed,
           coalesce(newest.sequence, 0) AS sequence,
           coalesce(newest.methodology, action.methodology, '') AS methodology,
           newest.region AS rule_region,
           CASE WHEN newest.sequence IS NULL THEN action.outcome ELSE newest.outcome END AS outcome,
           CASE WHEN newest.sequence IS NULL THEN action.reason ELSE newest.reason END AS reason,
           CASE WHEN newest.sequence IS NULL THEN action.detail ELSE newest.detail END AS detail,
           coalesce(newest.gross_mg, action.gross_mg) AS gross_mg,
           coalesce(newest.avoided_mg, action.avoided_mg) AS avoided_mg,
           coalesce(newest.uncertainty_mg, action.uncertainty_mg) AS uncertainty_mg,
           coalesce(newest.quantity_milli, action.quantity_milli) AS quantity_milli
    FROM unnest(CAST(:buckets AS int2[]), CAST(:people AS uuid[])) AS input(bucket, person_id)
    CROSS JOIN LATERAL (
        SELECT * FROM action
        WHERE action.bucket = input.bucket AND action.person_id = input.person_id AND {_OF_THE_RUN}
        OFFSET 0
    ) AS action
    LEFT JOIN LATERAL (
        SELECT * FROM restatement
        WHERE restatement.bucket = action.bucket AND restatement.person_id = action.person_id
          AND restatement.action_id = action.action_id
        ORDER BY sequence DESC LIMIT 1
    ) AS newest ON true
    LEFT JOIN reversal
        ON reversal.bucket = action.bucket AND reversal.person_id = action.person_id
        AND reversal.action_id = action.action_id
    LEFT JOIN transfer
        ON transfer.bucket = action.bucket AND transfer.person_id = action.person_id
        AND transfer.action_id = action.action_id
    LEFT JOIN corroboration
        ON corroboration.bucket = action.bucket AND corroboration.person_id = action.person_id
        AND corroboration.action_id = action.action_id
""").columns(data=JSONB)

# The room of a day is kept for events that come later; a day without a row had none taken.
_CHANGE_ROOM = text("""
    INSERT INTO earning AS had (bucket, person_id, local_day, activity, actions, points, gross_mg,
                                quantity_milli, ripens_at, lapses_at)
    SELECT bucket, person_id, local_day, :activity, actions, 0, gross_mg, quantity_milli, :now, :now
    FROM unnest(CAST(:buckets AS int2[]), CAST(:people AS uuid[]), CAST(:days AS date[]),
                CAST(:actions AS int4[]), CAST(:gross AS int8[]), CAST(:quantities AS int8[]))
        AS change(bucket, person_id, local_day, actions, gross_mg, quantity_milli)
    ON CONFLICT (bucket, person_id, local_day, activity, round) DO UPDATE SET
        actions = had.actions + excluded.actions,
        gross_mg = had.gross_mg + excluded.gross_mg,
        quantity_milli = had.quantity_milli + excluded.quantity_milli
""")


@dataclass(frozen=True, slots=True)
class Scope:
    """Which actions a run is about."""

    activity: str
    first_day: date
    last_day: date
    outcomes: tuple[str, ...] = DECIDED

    def named(self) -> dict[str, object]:
        """Return the scope as parameters of a statement."""
        return {
            "activity": self.activity,
            "first_day": self.first_day,
            "last_day": self.last_day,
            "outcomes": list(self.outcomes),
        }


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody with actions that a run is about, and how many."""

    bucket: int
    person_id: UUID
    actions: int


async def try_lock(connection: AsyncConnection, what: str) -> bool:
    """Lock a name until the connection ends, unless another connection has locked it."""
    named = {"lock": RUN_LOCK, "what": what}
    return bool((await connection.execute(_TRY_LOCK, named)).scalar_one())


async def unlock(connection: AsyncConnection, what: str) -> None:
    """Release a name that `try_lock` locked."""
    await connection.execute(_UNLOCK, {"lock": RUN_LOCK, "what": what})


async def unfinished(session: AsyncSession, *, kind: str, methodology: str) -> Sequence[RowMapping]:
    """Runs that were begun and not finished, oldest first."""
    named = {"kind": kind, "methodology": methodology}
    return (await session.execute(_UNFINISHED, named)).mappings().all()


async def find_run(session: AsyncSession, run_id: UUID) -> RowMapping | None:
    """Return a run by its id."""
    return (await session.execute(_RUN, {"run_id": run_id})).mappings().one_or_none()


async def lock_run(session: AsyncSession, run_id: UUID) -> RowMapping:
    """Return a run's row, locked until the transaction ends: its chunks go one after the other."""
    return (await session.execute(_LOCK_RUN, {"run_id": run_id})).mappings().one()


async def runs_before(
    session: AsyncSession, *, before: UUID, kind: str | None, limit: int
) -> Sequence[RowMapping]:
    """Runs before an id, newest first."""
    named = {"before": before, "kind": kind, "limit": limit}
    return (await session.execute(_RUNS, named)).mappings().all()


async def begin_run(session: AsyncSession, values: Mapping[str, object]) -> None:
    """Record a run that has done nothing yet."""
    await session.execute(_BEGIN, values)


async def advance_run(
    session: AsyncSession,
    run_id: UUID,
    *,
    last: Person,
    people: int,
    actions: int,
    result: Mapping[str, object],
) -> None:
    """Record how far a run is."""
    named = {
        "run_id": run_id,
        "bucket": last.bucket,
        "person": last.person_id,
        "people": people,
        "actions": actions,
        "result": result,
    }
    await session.execute(_ADVANCE, named)


async def end_run(session: AsyncSession, run_id: UUID, now: datetime) -> None:
    """Record that a run is through."""
    await session.execute(_END, {"run_id": run_id, "now": now})


async def count_actions(session: AsyncSession, scope: Scope) -> int:
    """Return how many actions a run is about."""
    return int((await session.execute(_COUNT, scope.named())).scalar_one())


async def people_after(
    session: AsyncSession, scope: Scope, *, bucket: int, person: UUID
) -> list[Person]:
    """Return the next people after one, in the order of their keys."""
    named = {**scope.named(), "bucket": bucket, "person": person}
    return [Person(*row) for row in await session.execute(_PEOPLE, named)]


async def lock_accounts(session: AsyncSession, people: Sequence[Person]) -> None:
    """Lock accounts in the order given, which is that of their keys."""
    await session.execute(_LOCK_ACCOUNTS, _columns(people))


async def past_actions(
    session: AsyncSession, scope: Scope, people: Sequence[Person]
) -> Sequence[RowMapping]:
    """Return the actions of some people with their newest values."""
    named = {**scope.named(), **_columns(people)}
    return (await session.execute(_ACTIONS, named)).mappings().all()


def past_of(row: RowMapping, rule_region: str) -> Past:
    """Return a row of `past_actions` as a domain value."""
    return Past(
        bucket=row["bucket"],
        person_id=row["person_id"],
        action_id=row["action_id"],
        local_day=row["local_day"],
        recorded_at=row["recorded_at"],
        partner=row["partner"],
        activity=row["activity"],
        region=row["region"],
        evidence_level=row["evidence_level"],
        counted_level=row["counted_level"],
        scope=row["scope"],
        data=row["data"],
        points=row["points"],
        was_limited=row["was_limited"],
        is_reversed=row["is_reversed"],
        sequence=row["sequence"],
        value=Value(
            row["methodology"],
            rule_region,
            row["outcome"],
            row["reason"],
            row["detail"],
            row["gross_mg"],
            row["avoided_mg"],
            row["uncertainty_mg"],
            row["quantity_milli"],
        ),
    )


async def copy_restatements(
    session: AsyncSession,
    moved: Iterable[Moved],
    salts: Iterable[bytes],
    *,
    run_id: UUID,
    batch_id: UUID,
    now: datetime,
) -> None:
    """Write the new facts, each with the salt of its leaf."""
    rows = [
        (
            past.bucket, past.person_id, past.action_id, past.sequence + 1, run_id, batch_id,
            past.local_day, past.value.methodology, past.value.region, past.value.gross_mg,
            past.value.avoided_mg, past.value.uncertainty_mg, value.methodology, value.region,
            value.gross_mg, value.avoided_mg, value.uncertainty_mg, value.quantity_milli,
            value.outcome, value.reason, value.detail, now, salt,
        )
        for past, value, salt in (
            (one.past, one.now, salt) for one, salt in zip(moved, salts, strict=True)
        )
    ]  # fmt: skip
    connection = await (await session.connection()).get_raw_connection()
    driver: Any = connection.driver_connection
    await driver.copy_records_to_table("restatement", records=rows, columns=RESTATEMENT_COLUMNS)


async def change_room(
    session: AsyncSession,
    activity: str,
    changes: Mapping[tuple[int, UUID, date], RoomChange],
    now: datetime,
) -> None:
    """Keep what is left of the days' limits; the accounts must be locked."""
    keys = sorted(changes)
    named = {
        "activity": activity,
        "now": now,
        "buckets": [key[0] for key in keys],
        "people": [key[1] for key in keys],
        "days": [key[2] for key in keys],
        "actions": [changes[key].actions for key in keys],
        "gross": [changes[key].gross_mg for key in keys],
        "quantities": [changes[key].quantity_milli for key in keys],
    }
    await session.execute(_CHANGE_ROOM, named)


def _columns(people: Sequence[Person]) -> dict[str, object]:
    return {"buckets": [one.bucket for one in people], "people": [one.person_id for one in people]}

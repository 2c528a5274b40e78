"""SQL of the intake, spoken to the driver itself. No decisions, no commit, no HTTP.

All lists are given in the order of their keys: every transaction takes its locks in that order,
so two of them cannot wait for each other.
"""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

import asyncpg

from service.intake.action_row import ActionRow
from service.intake.address import OUTSIDE, address_of, first_day
from service.intake.outcome import Outcome
from service.partners.person import PersonId
from service.settings import PROGRAMME_FROM, PROGRAMME_TO

if TYPE_CHECKING:  # generic for the type checker only
    Connection = (
        asyncpg.Connection[asyncpg.Record] | asyncpg.pool.PoolConnectionProxy[asyncpg.Record]
    )
else:
    Connection = asyncpg.Connection

PARTITION_LOCK = 0x5A78_0001  # advisory lock: one process opens months at a time

_CREATE_ACCOUNTS = """
INSERT INTO account (bucket, person_id, created_at)
SELECT bucket, person_id, $3 FROM unnest($1::int2[], $2::uuid[]) AS new(bucket, person_id)
ON CONFLICT DO NOTHING
"""

# `LATERAL (... OFFSET 0)` fixes the order of the join: the given keys first, then one probe of the
# primary key for each. Planned while the table was empty, a plain join would read all of the table
# for ever after. A probe that locks takes its locks in the order of the given keys.
_LOCK_ACCOUNTS = """
SELECT count(*), array_agg(account.person_id) FILTER (WHERE NOT counted),
       array_agg(account.person_id) FILTER (WHERE closed_at IS NOT NULL),
       array_agg(account.person_id) FILTER (WHERE waits_until > $3),
       array_agg(waits_until) FILTER (WHERE waits_until > $3),
       array_agg(account.person_id) FILTER (WHERE erased_at IS NOT NULL),
       array_agg(erased_at) FILTER (WHERE erased_at IS NOT NULL)
FROM unnest($1::int2[], $2::uuid[]) AS input(bucket, person_id)
CROSS JOIN LATERAL (
    SELECT person_id, counted, closed_at, waits_until FROM account
    WHERE account.bucket = input.bucket AND account.person_id = input.person_id
    FOR UPDATE
) AS account
LEFT JOIN LATERAL (
    SELECT erased_at FROM tombstone
    WHERE tombstone.bucket = input.bucket AND tombstone.person_id = input.person_id OFFSET 0
) AS tombstone ON true
"""

_TOMBSTONES = """
SELECT tombstone.person_id, erased_at
FROM unnest($1::int2[], $2::uuid[]) AS input(bucket, person_id)
JOIN tombstone ON tombstone.bucket = input.bucket AND tombstone.person_id = input.person_id
"""

_REPEATS = """
SELECT input.ordinal::int4, action.*
FROM unnest($1::int2[], $2::uuid[], $3::text[], $4::text[]) WITH ORDINALITY
     AS input(bucket, person_id, source, event_id, ordinal)
CROSS JOIN LATERAL (
    SELECT {columns} FROM action
    WHERE action.bucket = input.bucket
      AND action.person_id = input.person_id
      AND action.source = input.source COLLATE "C"
      AND action.event_id = input.event_id COLLATE "C"
      AND action.local_day >= DATE '{first}' AND action.local_day < DATE '{end}'
    OFFSET 0
) AS action
"""

# What `RETURNING` says is got: claims that were free, or are of the same event already. The others
# are locked by the attempt, so that what is read of them next is what they are. In the same round
# trip the forms are looked for under which version 0.1.0 kept what only its reporter knows.
_CLAIM = """
WITH taken AS (
    INSERT INTO claim AS had (bucket, claim_key, action_id, owner, level)
    SELECT * FROM unnest($1::int2[], $2::uuid[], $3::uuid[], $4::uuid[], $5::text[])
    ON CONFLICT (bucket, claim_key) DO UPDATE
        SET action_id = excluded.action_id, level = excluded.level
        WHERE had.owner = excluded.owner
    RETURNING claim_key
)
SELECT claim_key, NULL::uuid AS action_id FROM taken
UNION ALL
SELECT claim.claim_key, claim.action_id
FROM unnest($6::int2[], $7::uuid[]) AS input(bucket, claim_key)
CROSS JOIN LATERAL (
    SELECT claim_key, action_id FROM claim
    WHERE claim.bucket = input.bucket AND claim.claim_key = input.claim_key AND owner IS NULL
    OFFSET 0
) AS claim
"""

_HOLDERS = """
SELECT claim.claim_key, claim.action_id, claim.owner, claim.level
FROM unnest($1::int2[], $2::uuid[]) AS input(bucket, claim_key)
CROSS JOIN LATERAL (
    SELECT claim_key, action_id, owner, level FROM claim
    WHERE claim.bucket = input.bucket AND claim.claim_key = input.claim_key OFFSET 0
) AS claim
"""

_MOVE = """
UPDATE claim SET action_id = input.action_id, owner = input.owner, level = input.level
FROM unnest($1::int2[], $2::uuid[], $3::uuid[], $4::uuid[], $5::text[])
     AS input(bucket, claim_key, action_id, owner, level)
WHERE claim.bucket = input.bucket AND claim.claim_key = input.claim_key
"""

_RELEASE = """
DELETE FROM claim USING unnest($1::int2[], $2::uuid[]) AS input(bucket, claim_key)
WHERE claim.bucket = input.bucket AND claim.claim_key = input.claim_key
"""

_PARTNER_OF = """
SELECT partner FROM action WHERE bucket = $1 AND action_id = $2
    AND local_day >= DATE '{first}' AND local_day < DATE '{end}'
"""

_MEETINGS = """
INSERT INTO claim_meeting (bucket, person_id, action_id, holder_id, kind)
SELECT * FROM unnest($1::int2[], $2::uuid[], $3::uuid[], $4::uuid[], $5::text[])
"""

# An update that changes nothing locks the row and gives its newest value, be it new or old.
_LOCK_YEARS = """
INSERT INTO yearly_use AS had (bucket, thing_key, year, partner, quantity_milli, days)
SELECT *, 0, '{}' FROM unnest($1::int2[], $2::uuid[], $3::int2[], $4::text[])
ON CONFLICT (bucket, thing_key, year) DO UPDATE SET quantity_milli = had.quantity_milli
RETURNING bucket, thing_key, year, quantity_milli, days
"""

_USE_YEARS = """
UPDATE yearly_use AS had
SET quantity_milli = had.quantity_milli + new.quantity_milli, days = had.days + new.days
FROM (
    SELECT bucket, thing_key, year, quantity_milli, days::datemultirange AS days
    FROM unnest($1::int2[], $2::uuid[], $3::int2[], $4::int8[], $5::text[])
         AS input(bucket, thing_key, year, quantity_milli, days)
) AS new
WHERE had.bucket = new.bucket AND had.thing_key = new.thing_key AND had.year = new.year
"""

# One walk over a person's month, and the days beside it, answers all that a decision needs: the
# activity's own sums, which others exclude it, and when the person was on the way.
_EARNED = """
SELECT input.ordinal::int4, earning.*
FROM (
    SELECT *, date_trunc('month', local_day)::date AS month,
           (date_trunc('month', local_day) + interval '1 month')::date AS month_end
    FROM unnest($1::int2[], $2::uuid[], $3::date[], $4::text[]) WITH ORDINALITY
         AS keys(bucket, person_id, local_day, activity, ordinal)
) AS input
CROSS JOIN LATERAL (
    SELECT sum(actions) FILTER (WHERE is_own AND local_day = input.local_day) AS actions,
           sum(points) FILTER (WHERE is_own AND local_day = input.local_day) AS points,
           sum(gross_mg) FILTER (WHERE is_own AND local_day = input.local_day)::int8 AS gross_mg,
           sum(quantity_milli) FILTER (WHERE is_own AND local_day = input.local_day)::int8
               AS quantity_milli,
           max(round) FILTER (WHERE is_own AND local_day = input.local_day) AS round,
           max(lapses_at) FILTER (WHERE is_own AND local_day = input.local_day) AS lapses_at,
           sum(actions) FILTER (WHERE is_own AND in_month) AS month_actions,
           sum(points) FILTER (WHERE is_own AND in_month) AS month_points,
           sum(l0_points) FILTER (WHERE local_day = input.local_day) AS l0_day,
           sum(l0_points) FILTER (WHERE in_month) AS l0_month,
           array_agg(activity) FILTER (WHERE is_rival AND local_day = input.local_day)
               AS rivals_in_day,
           array_agg(activity) FILTER (WHERE is_rival AND in_month) AS rivals_in_month,
           string_agg(legs, ' ') FILTER (
               WHERE local_day BETWEEN input.local_day - 1 AND input.local_day + 1) AS legs
    FROM (
        SELECT earning.*, earning.activity = input.activity AS is_own,
               earning.activity <> input.activity AND earning.activity = ANY ($5::text[])
                   AS is_rival,
               earning.local_day >= input.month AND earning.local_day < input.month_end AS in_month
        FROM earning
        WHERE earning.bucket = input.bucket
          AND earning.person_id = input.person_id
          AND earning.local_day >= least(input.month, input.local_day - 1)
          AND earning.local_day < greatest(input.month_end, input.local_day + 2)
    ) AS around
    HAVING count(*) > 0
) AS earning
"""

# A round that has lapsed is never the one that is added to. What is open ripens with the latest of
# its points: those of a late event are not to be had at once for coming to some that are ripe.
_EARN = """
INSERT INTO earning AS had (bucket, person_id, local_day, activity, round, actions, points,
                            gross_mg, quantity_milli, ripens_at, lapses_at, legs, l0_points)
SELECT * FROM unnest($1::int2[], $2::uuid[], $3::date[], $4::text[], $5::int2[], $6::int4[],
                     $7::int4[], $8::int8[], $9::int8[], $10::timestamptz[], $11::timestamptz[],
                     $12::text[], $13::int4[])
ON CONFLICT (bucket, person_id, local_day, activity, round) DO UPDATE SET
    actions = had.actions + excluded.actions,
    points = had.points + excluded.points,
    l0_points = had.l0_points + excluded.l0_points,
    gross_mg = had.gross_mg + excluded.gross_mg,
    quantity_milli = had.quantity_milli + excluded.quantity_milli,
    legs = CASE WHEN had.legs IS NULL THEN excluded.legs
                WHEN excluded.legs IS NULL THEN had.legs
                ELSE had.legs || ' ' || excluded.legs END,
    ripens_at = CASE WHEN excluded.points = 0 THEN had.ripens_at
                     WHEN had.is_open THEN greatest(had.ripens_at, excluded.ripens_at)
                     ELSE excluded.ripens_at END,
    lapses_at = CASE WHEN excluded.points > 0 THEN greatest(had.lapses_at, excluded.lapses_at)
                     ELSE had.lapses_at END
"""

_COUNT = """
INSERT INTO account AS had (bucket, person_id, counted, created_at, waits_until)
SELECT bucket, person_id, true, now(), waits_until
FROM unnest($1::int2[], $2::uuid[], $3::timestamptz[]) AS input(bucket, person_id, waits_until)
ON CONFLICT (bucket, person_id) DO UPDATE SET counted = true, waits_until = excluded.waits_until
"""

_STANDING = """
SELECT link.link_id
FROM unnest($1::int2[], $2::uuid[], $3::uuid[]) AS input(bucket, person_id, link_id)
JOIN link USING (bucket, person_id, link_id)
WHERE NOT EXISTS (
    SELECT FROM link_end WHERE link_end.bucket = link.bucket
        AND link_end.person_id = link.person_id AND link_end.link_id = link.link_id)
"""

_ROUTES = """
SELECT customer_id, account_id, earlier
FROM unnest($1::int2[], $2::uuid[]) AS input(bucket, customer_id)
JOIN customer_route USING (bucket, customer_id)
"""


class Locked(NamedTuple):
    """What the locked rows of accounts say: how many there are, people who were never counted,
    accounts that moved elsewhere, until when what is earned does not lapse, and when people were
    erased who had these accounts before."""

    found: int
    uncounted: set[UUID]
    closed: set[UUID]
    waits_until: dict[UUID, datetime]
    erased: dict[UUID, datetime]


async def create_accounts(
    connection: Connection, buckets: list[int], people: list[UUID], now: datetime
) -> None:
    """Make the accounts that are missing."""
    await connection.execute(_CREATE_ACCOUNTS, buckets, people, now)


async def lock_accounts(
    connection: Connection, buckets: list[int], people: list[UUID], now: datetime
) -> Locked:
    """Lock accounts, and return what their rows say."""
    row = await connection.fetchrow(_LOCK_ACCOUNTS, buckets, people, now)
    assert row is not None
    found, uncounted, closed, waiting, until, gone, erased_at = row
    waits_until = dict(zip(waiting or (), until or (), strict=True))
    erased = dict(zip(gone or (), erased_at or (), strict=True))
    return Locked(found, set(uncounted or ()), set(closed or ()), waits_until, erased)


async def standing_links(
    connection: Connection, links: Sequence[tuple[int, UUID, UUID]]
) -> set[UUID]:
    """Return which of these (bucket, person, link) have not ended. Their accounts are locked."""
    rows = await connection.fetch(_STANDING, *map(list, zip(*links, strict=True)))
    return {row[0] for row in rows}


async def customers_accounts(
    connection: Connection, customers: Sequence[PersonId]
) -> dict[UUID, list[UUID]]:
    """Return the accounts that events of customers went to, of those who were ever linked."""
    rows = await connection.fetch(_ROUTES, *map(list, zip(*customers, strict=True)))
    return {row[0]: [row[1], *row[2]] for row in rows}


async def tombstones(
    connection: Connection, people: Sequence[tuple[int, UUID]]
) -> dict[UUID, datetime]:
    """Return when these people were erased, for those who were."""
    rows = await connection.fetch(_TOMBSTONES, *map(list, zip(*people, strict=True)))
    return {row[0]: row[1] for row in rows}


async def find_repeats(
    connection: Connection, month: int, keys: Sequence[tuple[int, UUID, str, str]]
) -> list[tuple[int, Outcome]]:
    """Return actions recorded under (bucket, person, source, event id), as (ordinal from 1,
    outcome).

    Looks in the month of the events and its two neighbours; the months are literals, so that the
    planner leaves all other partitions alone.
    """
    first, end = neighbours(month)
    query = _REPEATS.format(columns=", ".join(Outcome._fields), first=first, end=end)
    rows = await connection.fetch(query, *map(list, zip(*keys, strict=True)))
    return [(row[0], Outcome._make(row[1:])) for row in rows]


def neighbours(month: int) -> tuple[date, date]:
    """Return first day and end (excluded) of the months in which a repeat is looked for."""
    if month == OUTSIDE:
        return date.min, date.max
    first = first_day(month - 1) if month else PROGRAMME_FROM - timedelta(days=31)
    return first, date(*divmod_month(month + 2))


def divmod_month(month: int) -> tuple[int, int, int]:
    """Return (year, month, 1) of a month number that may lie just past the programme."""
    return PROGRAMME_FROM.year + month // 12, month % 12 + 1, 1


async def take_claims(
    connection: Connection,
    claims: Sequence[tuple[int, UUID, UUID, UUID | None, str]],
    earlier: Sequence[tuple[int, UUID]],
) -> tuple[set[UUID], list[tuple[UUID, UUID]]]:
    """Claim these (bucket, key, action, owner, level), and lock those that others hold.

    Return the keys that were got, and which of the `earlier` (bucket, key) an action holds.
    """
    rows = await connection.fetch(_CLAIM, *_lists(claims, 5), *_lists(earlier, 2))
    got = {row[0] for row in rows if row[1] is None}
    return got, [(row[0], row[1]) for row in rows if row[1] is not None]


async def holders(
    connection: Connection, claims: Sequence[tuple[int, UUID]]
) -> dict[UUID, tuple[UUID, UUID | None, str | None]]:
    """Return the action, owner and level of each (bucket, key) that is held."""
    if not claims:
        return {}
    rows = await connection.fetch(_HOLDERS, *_lists(claims, 2))
    return {row[0]: (row[1], row[2], row[3]) for row in rows}


async def move_claims(
    connection: Connection,
    claims: Sequence[tuple[int, UUID, tuple[UUID, UUID | None, str | None] | None]],
) -> None:
    """Give locked claims to other actions (id, owner, level), or to none."""
    free = [(bucket, key) for bucket, key, holder in claims if holder is None]
    if free:
        await connection.execute(_RELEASE, *_lists(free, 2))
    given = [(bucket, key, *holder) for bucket, key, holder in claims if holder is not None]
    if given:
        await connection.execute(_MOVE, *_lists(given, 5))


async def partner_of(connection: Connection, action_id: UUID) -> str | None:
    """Return the partner that reported an action; None when there is none of this id."""
    bucket, month = address_of(action_id)
    first, end = neighbours(month)
    query = _PARTNER_OF.format(first=first, end=end)
    partner = await connection.fetchval(query, bucket, action_id)
    return None if partner is None else str(partner)


async def note_meetings(
    connection: Connection, meetings: Sequence[tuple[int, UUID, UUID, UUID, str]]
) -> None:
    """Note meetings of reports (bucket, person, newcomer, holder, kind), for a worker to settle."""
    if meetings:
        await connection.execute(_MEETINGS, *_lists(meetings, 5))


def _lists(rows: Sequence[tuple[Any, ...]], columns: int) -> list[list[Any]]:
    """Return the columns of some rows, for a statement that takes one array for each."""
    return [[row[at] for row in rows] for at in range(columns)]


async def lock_years(
    connection: Connection, things: Sequence[tuple[int, UUID, int, str]]
) -> list[asyncpg.Record]:
    """Lock (bucket, thing, year), making missing rows for a partner; return what is taken."""
    return await connection.fetch(_LOCK_YEARS, *map(list, zip(*things, strict=True)))


async def use_years(
    connection: Connection, shares: Sequence[tuple[int, UUID, int, int, str]]
) -> None:
    """Take quantities and days off years that are locked."""
    await connection.execute(_USE_YEARS, *map(list, zip(*shares, strict=True)))


async def earned(
    connection: Connection,
    keys: Sequence[tuple[int, UUID, date, str]],
    rivals: Sequence[str],
) -> list[asyncpg.Record]:
    """Return what is recorded for each (bucket, person, day, activity): ordinals from 1, and sums.

    `rivals` are the activities that may exclude others; those that the person has are named.
    """
    return await connection.fetch(_EARNED, *map(list, zip(*keys, strict=True)), rivals)


async def copy_actions(connection: Connection, rows: Sequence[ActionRow]) -> None:
    """Write actions; under the accounts' locks none of them can be a repeat."""
    await connection.copy_records_to_table("action", records=rows, columns=ActionRow._fields)


async def add_earnings(connection: Connection, rows: Sequence[tuple[Any, ...]]) -> None:
    """Add to earnings, making those that are missing."""
    await connection.execute(_EARN, *map(list, zip(*rows, strict=True)))


async def mark_counted(
    connection: Connection, people: Sequence[tuple[int, UUID, datetime | None]]
) -> None:
    """Remember that these people are in the totals, and until when a customer's points wait."""
    await connection.execute(_COUNT, *map(list, zip(*people, strict=True)))


def partition_name(month: int) -> str:
    """Return the table that holds the actions of a month."""
    return f"action_{first_day(month):%Y_%m}"


async def open_months(connection: Connection, months: Sequence[int]) -> None:
    """Make the partitions of these months that are missing, in a transaction of its own."""
    await connection.execute("SELECT pg_advisory_xact_lock($1)", PARTITION_LOCK)
    for month in months:
        await connection.execute("SELECT open_action_month($1)", first_day(month))


assert PROGRAMME_TO.month == 12, "months are counted from January to December"

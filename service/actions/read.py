"""Reading actions back: one by its id, a person's list. No decisions."""

from collections.abc import Sequence
from datetime import date
from uuid import UUID

from sqlalchemy import RowMapping, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession

from service.customers.store import accounts_of, customers_accounts
from service.errors import ActionErased, ActionNotFound
from service.intake.address import OUTSIDE, address_of, first_day
from service.intake.store import divmod_month
from service.partners.caller import Caller
from service.partners.dependencies import Reported
from service.partners.person import PersonHasher, PersonId
from service.settings import PROGRAMME_FROM, PROGRAMME_TO

READERS = ("admin", "auditor")  # of everybody's actions
_COLUMNS = """
    action.action_id, action.bucket, action.person_id, action.source, action.event_id,
    action.partner, action.activity, action.region, action.occurred_at, action.utc_offset_min,
    action.recorded_at, action.local_day, action.evidence_level, action.scope,
    action.methodology, action.outcome, action.reason, action.detail, action.gross_mg,
    action.avoided_mg, action.uncertainty_mg, action.points, action.ripens_at,
    action.data, action.digest, action.salt, action.erased_at, action.overlap AS inventory_overlap,
    reversal.reason AS reversal_reason, reversal.recorded_at AS reversed_at,
    reversal.points AS reversed_points, restated.restatements,
    transfer.scheme AS transfer_scheme, transfer.reference AS transfer_reference,
    transfer.recorded_at AS transferred_at,
    corroboration.other_id AS corroborated_by, corroboration.is_first AS is_corroborated,
    EXISTS (SELECT 1 FROM hold WHERE hold.partner = action.partner
            AND hold.activity = action.activity AND hold.local_day = action.local_day
            AND hold.released_at IS NULL) AS held
"""
_FROM = """
    FROM action LEFT JOIN reversal
        ON reversal.bucket = action.bucket AND reversal.person_id = action.person_id
        AND reversal.action_id = action.action_id
    LEFT JOIN transfer
        ON transfer.bucket = action.bucket AND transfer.person_id = action.person_id
        AND transfer.action_id = action.action_id
    LEFT JOIN corroboration
        ON corroboration.bucket = action.bucket AND corroboration.person_id = action.person_id
        AND corroboration.action_id = action.action_id
    LEFT JOIN LATERAL (
        SELECT jsonb_agg(jsonb_build_object(
            'run_id', run_id, 'from', old_methodology, 'methodology', methodology,
            'outcome', outcome, 'reason', reason, 'detail', detail,
            'old_gross_mg', old_gross_mg::text, 'old_avoided_mg', old_avoided_mg::text,
            'gross_mg', gross_mg::text, 'avoided_mg', avoided_mg::text,
            'recorded_at', recorded_at
        ) ORDER BY sequence) AS restatements
        FROM restatement
        WHERE restatement.bucket = action.bucket AND restatement.person_id = action.person_id
          AND restatement.action_id = action.action_id
    ) AS restated ON true
"""

_ONE = (
    "SELECT {columns} {joined} WHERE action.bucket = :bucket AND action.action_id = :id AND {days}"
)

_LIST = text(f"""
    SELECT {_COLUMNS} {_FROM}
    WHERE action.bucket = ANY (CAST(:buckets AS int2[]))
      AND action.person_id = ANY (CAST(:people AS uuid[])) AND action.action_id < :before
      AND (CAST(:sources AS text[]) IS NULL OR action.source = ANY (CAST(:sources AS text[])))
      AND (CAST(:customers AS uuid[]) IS NULL
           OR coalesce(action.customer_id, action.person_id) = ANY (CAST(:customers AS uuid[])))
    ORDER BY action.action_id DESC LIMIT :limit
""").columns(data=JSONB, restatements=JSONB)


def _days(month: int) -> str:
    """Return the days of a month as a condition with literals, so that one partition is read."""
    if month == OUTSIDE:
        return (
            f"(action.local_day < DATE '{PROGRAMME_FROM}'"
            f" OR action.local_day > DATE '{PROGRAMME_TO}')"
        )
    first, end = first_day(month), date(*divmod_month(month + 1))
    return f"action.local_day >= DATE '{first}' AND action.local_day < DATE '{end}'"


async def find_action(
    session: AsyncSession, action_id: UUID, caller: Caller, hasher: PersonHasher
) -> RowMapping:
    """Return the action, if the caller may see it: its source's partner, or its person.

    Raises ActionNotFound for an unknown one and for somebody else's alike, and ActionErased.
    """
    row = await action_by_id(session, action_id)
    if row is None or not await _sees(session, row, caller, hasher):
        raise ActionNotFound(f"There is no action {action_id} that you may see.")
    if row["erased_at"] is not None:
        raise ActionErased(
            f"The person of action {action_id} asked to be forgotten: what it was about is gone, "
            "its grams and points stay in the sums."
        )
    return row


async def action_by_id(session: AsyncSession, action_id: UUID) -> RowMapping | None:
    """Return an action with what became of it, whoever may see it; None when there is none."""
    bucket, month = address_of(action_id)
    row = None
    if month == OUTSIDE or month < 180:
        query = text(_ONE.format(columns=_COLUMNS, joined=_FROM, days=_days(month))).columns(
            data=JSONB, restatements=JSONB
        )
        found = await session.execute(query, {"bucket": bucket, "id": action_id})
        row = found.mappings().one_or_none()
    return row


async def _sees(
    session: AsyncSession, row: RowMapping, caller: Caller, hasher: PersonHasher
) -> bool:
    """Whether an action is the person's, also through a link, or of a source of the partner."""
    if caller.subject is not None:
        person = hasher.person(caller.subject)
        account = PersonId(row["bucket"], row["person_id"])
        return account == person or account in await accounts_of(session, person)
    return row["source"] in caller.sources or any(map(caller.may, READERS))


async def actions_before(
    session: AsyncSession, whose: Reported, caller: Caller, *, before: UUID, limit: int
) -> Sequence[RowMapping]:
    """Return a person's actions before an id, newest first, also those that came through a link.

    A partner sees those of its own sources, and of a customer of its own no other customer's.
    """
    everything = caller.subject is not None or any(map(caller.may, READERS))
    if whose.is_customer:
        accounts = await customers_accounts(session, whose.names)
        everything = False
    else:
        accounts = await accounts_of(session, whose.names[0])
    named = {
        "buckets": [one.bucket for one in accounts],
        "people": [one.id for one in accounts],
        "customers": [one.id for one in whose.names] if whose.is_customer else None,
        "before": before,
        "sources": None if everything else sorted(caller.sources),
        "limit": limit,
    }
    return (await session.execute(_LIST, named)).mappings().all()

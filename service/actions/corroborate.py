"""Use case: a second partner reported the same thing: the first action's carbon moves to L2.

Points are given once, to the first. Both actions point to each other.
"""

from datetime import datetime
from uuid import UUID

from sqlalchemy import RowMapping, text
from sqlalchemy.ext.asyncio import AsyncSession

from methodologies.leaf import leaf_of_corroboration
from service.actions.restated import CORROBORATED_LEVEL, current_value_of
from service.actions.transfer import scope_now
from service.clock import uuid7
from service.intake.ids import new_salts
from service.journal.append import JournalRow, append
from service.partners.caller import KEY_STATES
from service.partners.person import PersonId
from service.points.store import lock_accounts

COUNTED = ("credited", "capped", "zero")

_RECORD = text("""
    INSERT INTO corroboration (bucket, person_id, action_id, other_id, is_first, batch_id, salt,
                               local_day, recorded_at)
    VALUES (:bucket, :person, :action, :other, :is_first, :batch, :salt, :day, :now)
    ON CONFLICT DO NOTHING RETURNING 1
""")
_REVERSED = text("""
    SELECT EXISTS (SELECT 1 FROM reversal
                   WHERE bucket = :bucket AND person_id = :person AND action_id = :action)
""")


async def corroborate(
    session: AsyncSession, first: RowMapping, other: RowMapping, *, region: str, now: datetime
) -> bool:
    """Record that `other` corroborates `first`, if it does; return whether `first` is L2 by it.

    `region` is the one whose rule gave the first its value. Idempotent; locks both accounts.
    """
    if not _is_independent(first, other):
        return False
    people = [PersonId(one["bucket"], one["person_id"]) for one in (first, other)]
    await lock_accounts(session, people, now)
    if (await session.execute(_REVERSED, _named(first))).scalar_one():
        return False
    batch_id, salts = uuid7(now), new_salts(2)
    shared = {"batch": batch_id, "now": now}
    moves = await session.execute(
        _RECORD,
        {
            **_named(first), **shared, "other": other["action_id"], "is_first": True,
            "salt": salts[0], "day": first["local_day"],
        },
    )  # fmt: skip
    is_new = moves.scalar() is not None
    await session.execute(
        _RECORD,
        {
            **_named(other), **shared, "other": first["action_id"], "is_first": False,
            "salt": salts[1], "day": other["local_day"],
        },
    )  # fmt: skip
    if is_new:
        leaf = leaf_of_corroboration(
            salt=salts[0], action=first["action_id"].hex, other=other["action_id"].hex
        )
        await append(session, await _journal_row(session, first, batch_id, region, leaf))
    return is_new


def _is_independent(first: RowMapping, other: RowMapping) -> bool:
    """Whether two partners' own records are of the same activity and day."""
    return (
        first["partner"] != other["partner"]
        and first["evidence_level"] == other["evidence_level"] == KEY_STATES
        and first["outcome"] in COUNTED
        and (first["activity"], first["local_day"]) == (other["activity"], other["local_day"])
    )


async def _journal_row(
    session: AsyncSession, first: RowMapping, batch_id: UUID, region: str, leaf: bytes
) -> JournalRow:
    current = await current_value_of(session, first, region)
    amounts, scope = current.amounts(first["points"]), await scope_now(session, first)
    return JournalRow(
        bucket=first["bucket"],
        batch_id=batch_id,
        kind="corroboration",
        actions=0,
        people=0,
        deltas={
            current.cell(first, scope, first["evidence_level"]): -amounts,
            current.cell(first, scope, CORROBORATED_LEVEL): amounts,
        },
        leaves=leaf,
    )


def _named(action: RowMapping) -> dict[str, object]:
    return {
        "bucket": action["bucket"], "person": action["person_id"], "action": action["action_id"],
    }  # fmt: skip

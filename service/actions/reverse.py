"""Use case: undo an action (refund, fraud), as a new fact. Carbon is taken back always."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import RowMapping, text
from sqlalchemy.ext.asyncio import AsyncSession

from methodologies.leaf import leaf_of_reversal
from service.actions.restated import current_value_of, level_now
from service.actions.transfer import scope_now
from service.clock import uuid7
from service.errors import ActionNotReversible, ReversalConflict
from service.intake.ids import new_salts
from service.journal.append import JournalRow, append
from service.journal.cell import Amounts, Cell
from service.partners.person import PersonId
from service.points.take_back import lock_owner, take_back_points

_FIND = text("""
    SELECT reason, avoided_mg, points, from_earning, from_balance, as_debt, recorded_at
    FROM reversal WHERE bucket = :bucket AND person_id = :person AND action_id = :action
""")
_RECORD = text("""
    INSERT INTO reversal (bucket, person_id, action_id, batch_id, reason, local_day, avoided_mg,
                          gross_mg, points, from_earning, from_balance, as_debt, recorded_at, salt)
    VALUES (:bucket, :person, :action, :batch, :reason, :day, :avoided_mg,
            :gross_mg, :points, :from_earning, :from_balance, :as_debt, :now, :salt)
""")


@dataclass(frozen=True, slots=True)
class Reversed:
    """What was taken back. Carbon in milligrams CO2e; `replayed` when it was done before."""

    reason: str
    avoided_mg: int
    points: int
    from_earning: int
    from_balance: int
    as_debt: int
    recorded_at: datetime
    replayed: bool


async def reverse_action(
    session: AsyncSession, action: RowMapping, *, region: str, reason: str, now: datetime
) -> Reversed:
    """Reverse an action. `region` is the one whose methodology assessed it when it came.

    What is taken back is its newest value: that of its last restatement, if there is one.
    Idempotent by action and reason. Raises ActionNotReversible for one that gave nothing, and
    ReversalConflict when it was reversed for another reason.
    """
    if action["outcome"] in ("refused", "already_claimed"):
        raise ActionNotReversible(
            f"The action was {action['outcome'].replace('_', ' ')}: there is nothing to take back."
        )
    person = PersonId(action["bucket"], action["person_id"])
    owner = await lock_owner(session, person, now)
    named = {"bucket": person.bucket, "person": person.id, "action": action["action_id"]}
    done = (await session.execute(_FIND, named)).mappings().one_or_none()
    if done is not None:
        if done["reason"] != reason:
            raise ReversalConflict(f"The action was reversed before, as {done['reason']!r}.")
        return Reversed(**done, replayed=True)
    current = await current_value_of(session, action, region)
    taken = await take_back_points(
        session,
        person,
        owner,
        day=action["local_day"],
        activity=action["activity"],
        points=action["points"],
        action_id=action["action_id"],
        recorded_at=action["recorded_at"],
        now=now,
    )
    batch_id, [salt] = uuid7(now), new_salts(1)
    reversed_now = Reversed(
        reason=reason,
        avoided_mg=current.avoided_mg,
        points=taken.points,
        from_earning=taken.from_earning,
        from_balance=taken.from_balance,
        as_debt=taken.as_debt,
        recorded_at=now,
        replayed=False,
    )
    await session.execute(
        _RECORD,
        {
            **named,
            "batch": batch_id,
            "reason": reason,
            "day": action["local_day"],
            "avoided_mg": current.avoided_mg,
            "gross_mg": current.gross_mg,
            "points": taken.points,
            "from_earning": taken.from_earning,
            "from_balance": taken.from_balance,
            "as_debt": taken.as_debt,
            "now": now,
            "salt": salt,
        },
    )
    cell = current.cell(action, await scope_now(session, action), await level_now(session, action))
    leaf = leaf_of_reversal(
        salt=salt,
        action=action["action_id"].hex,
        reason=reason,
        avoided_mg=reversed_now.avoided_mg,
        points=reversed_now.points,
    )
    await append(
        session, _journal_row(person.bucket, batch_id, cell, -current.amounts(taken.points), leaf)
    )
    return reversed_now


def _journal_row(
    bucket: int, batch_id: UUID, cell: Cell, amounts: Amounts, leaf: bytes
) -> JournalRow:
    return JournalRow(
        bucket=bucket,
        batch_id=batch_id,
        kind="reversal",
        actions=1,
        people=0,
        deltas={cell: amounts},
        leaves=leaf,
    )

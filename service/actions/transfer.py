"""Use case: an action's carbon was sold, or issued as a credit elsewhere: it leaves the total.

What is counted by another scheme is not counted here. The action, its receipt and its points stay.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import RowMapping, text
from sqlalchemy.ext.asyncio import AsyncSession

from methodologies.leaf import leaf_of_transfer
from service.actions.restated import current_value_of, level_now
from service.clock import uuid7
from service.errors import ActionNotTransferable, TransferConflict
from service.intake.ids import new_salts
from service.journal.append import JournalRow, append
from service.partners.person import PersonId
from service.points.store import lock_account

TRANSFERRED = "transferred"

_FIND = text("""
    SELECT scheme, reference, recorded_at FROM transfer
    WHERE bucket = :bucket AND person_id = :person AND action_id = :action
""")
_REVERSED = text("""
    SELECT EXISTS (SELECT 1 FROM reversal
                   WHERE bucket = :bucket AND person_id = :person AND action_id = :action)
""")
_RECORD = text("""
    INSERT INTO transfer (bucket, person_id, action_id, batch_id, scheme, reference, partner,
                          local_day, recorded_at, salt)
    VALUES (:bucket, :person, :action, :batch, :scheme, :reference, :partner, :day, :now, :salt)
""")


@dataclass(frozen=True, slots=True)
class Transferred:
    """To which scheme, under which of its references; `replayed` when it was done before.

    `avoided_mg` is what is kept out of the total, in milligrams CO2e: the newest value.
    """

    scheme: str
    reference: str
    recorded_at: datetime
    avoided_mg: int
    replayed: bool


async def transfer_action(
    session: AsyncSession,
    action: RowMapping,
    *,
    region: str,
    scheme: str,
    reference: str,
    partner: str,
    now: datetime,
) -> Transferred:
    """Take an action's carbon out of the total. `region` is the one whose methodology assessed it.

    Idempotent by action, scheme and reference. Raises ActionNotTransferable for one that has no
    carbon in the total, and TransferConflict when it went elsewhere before.
    """
    person = PersonId(action["bucket"], action["person_id"])
    await lock_account(session, person, now)
    named = {"bucket": person.bucket, "person": person.id, "action": action["action_id"]}
    current = await current_value_of(session, action, region)
    done = (await session.execute(_FIND, named)).mappings().one_or_none()
    if done is not None:
        if (done["scheme"], done["reference"]) != (scheme, reference):
            raise TransferConflict(
                f"The action was transferred before, to {done['scheme']} as {done['reference']!r}."
            )
        return Transferred(**done, avoided_mg=current.avoided_mg, replayed=True)
    if current.avoided_mg == 0 or (await session.execute(_REVERSED, named)).scalar_one():
        raise ActionNotTransferable(
            "The action gave no carbon, or was reversed: there is nothing to transfer."
        )
    batch_id, [salt] = uuid7(now), new_salts(1)
    await session.execute(
        _RECORD,
        {
            **named,
            "batch": batch_id,
            "scheme": scheme,
            "reference": reference,
            "partner": partner,
            "day": action["local_day"],
            "now": now,
            "salt": salt,
        },
    )
    amounts, level = current.amounts(action["points"]), await level_now(session, action)
    await append(
        session,
        JournalRow(
            bucket=person.bucket,
            batch_id=batch_id,
            kind="transfer",
            actions=0,
            people=0,
            deltas={
                current.cell(action, action["scope"], level): -amounts,
                current.cell(action, TRANSFERRED, level): amounts,
            },
            leaves=leaf_of_transfer(
                salt=salt, action=action["action_id"].hex, scheme=scheme, reference=reference
            ),
        ),
    )
    return Transferred(scheme, reference, now, current.avoided_mg, replayed=False)


async def scope_now(session: AsyncSession, action: RowMapping) -> str:
    """Return the part of the totals that an action's carbon is in; its account must be locked."""
    named = {
        "bucket": action["bucket"], "person": action["person_id"], "action": action["action_id"],
    }  # fmt: skip
    moved = (await session.execute(_FIND, named)).one_or_none()
    return str(action["scope"]) if moved is None else TRANSFERRED

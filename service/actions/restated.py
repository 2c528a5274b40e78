"""The current value of an action: its last restatement, or its own. No decisions."""

from typing import NamedTuple

from sqlalchemy import RowMapping, text
from sqlalchemy.ext.asyncio import AsyncSession

from service.intake.outcome import is_limited
from service.journal.cell import Amounts, Cell

_NEWEST = text("""
    SELECT methodology, region, gross_mg, avoided_mg, uncertainty_mg, outcome, reason
    FROM restatement
    WHERE bucket = :bucket AND person_id = :person AND action_id = :action
    ORDER BY sequence DESC LIMIT 1
""")
_IS_FIRST = text("""
    SELECT EXISTS (SELECT 1 FROM corroboration WHERE bucket = :bucket AND person_id = :person
                   AND action_id = :action AND is_first)
""")
CORROBORATED_LEVEL = "L2"


class CurrentValue(NamedTuple):
    """What of an action is in the totals now, and in which cell; milligrams CO2e."""

    methodology: str
    region: str
    gross_mg: int
    avoided_mg: int
    uncertainty_mg: int
    outcome: str
    reason: str | None

    def cell(self, action: RowMapping, scope: str, level: str) -> Cell:
        """Return the cell of the totals that the value is in; `scope` says how it is counted.

        `level` is the evidence level now: that of the event, or what followed since.
        """
        return Cell.under(
            self.methodology,
            local_day=action["local_day"],
            activity=action["activity"],
            partner=action["partner"],
            region=self.region,
            evidence_level=level,
            scope=scope,
        )

    def amounts(self, points: int) -> Amounts:
        """Return what the value adds to its cell, with the points of its action."""
        return Amounts(
            actions=1,
            limited=int(is_limited(self.outcome, self.reason)),
            gross_mg=self.gross_mg,
            avoided_mg=self.avoided_mg,
            uncertainty_mg=self.uncertainty_mg,
            points=points,
        )


async def current_value_of(session: AsyncSession, action: RowMapping, region: str) -> CurrentValue:
    """Return what an action has in the totals now; the person's account must be locked.

    `region` is the one whose rule gave the recorded value.
    """
    named = {
        "bucket": action["bucket"],
        "person": action["person_id"],
        "action": action["action_id"],
    }
    newest = (await session.execute(_NEWEST, named)).one_or_none()
    if newest is not None:
        return CurrentValue(*newest)
    return CurrentValue(
        action["methodology"],
        region,
        action["gross_mg"],
        action["avoided_mg"],
        action["uncertainty_mg"],
        action["outcome"],
        action["reason"],
    )


async def level_now(session: AsyncSession, action: RowMapping) -> str:
    """Return the level under which an action is counted; its account must be locked."""
    named = {
        "bucket": action["bucket"], "person": action["person_id"], "action": action["action_id"],
    }  # fmt: skip
    is_first = (await session.execute(_IS_FIRST, named)).scalar_one()
    return CORROBORATED_LEVEL if is_first else str(action["evidence_level"])

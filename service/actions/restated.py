"""The current value of an action: its last restatement, or its own. No decisions."""

from typing import NamedTuple

from sqlalchemy import RowMapping, text
from sqlalchemy.ext.asyncio import AsyncSession

from service.intake.outcome import is_limited

_NEWEST = text("""
    SELECT methodology, region, gross_mg, avoided_mg, uncertainty_mg, outcome, reason
    FROM restatement
    WHERE bucket = :bucket AND person_id = :person AND action_id = :action
    ORDER BY sequence DESC LIMIT 1
""")


class CurrentValue(NamedTuple):
    """What of an action is in the totals now, and in which cell; milligrams CO2e."""

    methodology: str
    region: str
    gross_mg: int
    avoided_mg: int
    uncertainty_mg: int
    outcome: str
    reason: str | None

    @property
    def limited(self) -> int:
        """1 for an action that a limit, or another one, left no room for."""
        return int(is_limited(self.outcome, self.reason))


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

"""The answer to one event: what became of it, for good. Pure."""

from datetime import date, datetime, timedelta, timezone
from functools import lru_cache
from operator import itemgetter
from typing import NamedTuple
from uuid import UUID

from methodologies.leaf import leaf_of_action
from service.intake.action_row import ActionRow


class Outcome(NamedTuple):
    """What was recorded for an event. Carbon in mg CO2e; `local_day` in the event's zone."""

    source: str
    event_id: str
    action_id: UUID
    batch_id: UUID
    outcome: str
    avoided_mg: int
    points: int
    methodology: str | None
    evidence_level: str
    scope: str
    local_day: date
    ripens_at: datetime | None
    utc_offset_min: int
    reason: str | None
    detail: str | None
    digest: bytes

    def wire(self, *, duplicate: bool) -> dict[str, object]:
        """Return the JSON object that the sender gets."""
        return {
            "source": self.source,
            "id": self.event_id,
            "action_id": str(self.action_id),
            "outcome": self.outcome,
            "duplicate": duplicate,
            "avoided_mg": str(self.avoided_mg),
            "points": self.points,
            "methodology": self.methodology,
            "evidence_level": self.evidence_level,
            "scope": self.scope,
            "local_day": self.local_day.isoformat(),
            "ripens_at": local_text(self.ripens_at, self.utc_offset_min),
            "reason": self.reason,
            "detail": self.detail,
        }


_TO_BE_TOLD = itemgetter(*map(ActionRow._fields.index, Outcome._fields))


def outcome_of(row: ActionRow) -> Outcome:
    """Return the outcome of an action that is written as `row`: the fields that have the same
    names.
    """
    return Outcome._make(_TO_BE_TOLD(row))


# How the reasons begin for which a sheet's own limits, or other actions, leave no room. Caps of
# points are none of them: such carbon is counted.
LIMITED = "methodology_"
EXCLUDED = ("overlaps_", "excluded_")


def is_limited(outcome: str, reason: str | None) -> bool:
    """Return whether limits or other actions left no room for an action, whatever it would have
    given.
    """
    return outcome == "capped" and (reason or "").startswith((LIMITED, *EXCLUDED))


class Answer(NamedTuple):
    """An outcome as one caller sees it: the first time, or again; or a conflict."""

    outcome: Outcome
    duplicate: bool
    conflict: bool


@lru_cache(4_096)  # most events of a day ripen at the same moment
def local_text(at: datetime | None, utc_offset_min: int) -> str | None:
    """Return a time in the event's own offset, RFC 3339."""
    if at is None:
        return None
    return at.astimezone(timezone(timedelta(minutes=utc_offset_min))).isoformat()


def leaf_of(outcome: Outcome, gross_mg: int, salt: bytes | None) -> bytes:
    """Return the leaf of an action, as its receipt shows it."""
    return leaf_of_action(
        salt=salt,
        action=outcome.action_id.hex,
        content=outcome.digest.hex(),
        methodology=outcome.methodology,
        outcome=outcome.outcome,
        gross_mg=str(gross_mg),
        avoided_mg=str(outcome.avoided_mg),
        points=str(outcome.points),
    )

"""The row that is written for an action: its fields are the columns of the COPY. Pure."""

from datetime import date, datetime
from typing import NamedTuple
from uuid import UUID


class ActionRow(NamedTuple):
    """An action as it is written, once and for good.

    Carbon is in mg CO2e: `gross_mg` is the methodology's signed result, `avoided_mg` what is
    credited, `uncertainty_mg` half the width of its 95 percent interval. `local_day` is the day in
    the event's own zone, `data` JSON text, `digest` the SHA-256 of the event's content, `salt`
    what its leaf is made under. `customer_id` is the customer's hash where the account is another.
    Columns that the database fills by itself are not named here.

    What the candidate says comes first, and what was decided after it: so the first half is taken
    over at once, by its names. A row is made for every event, and a call with 30 keywords costs
    twice as much.
    """

    bucket: int
    person_id: UUID
    source: str
    event_id: str
    local_day: date
    partner: str
    activity: str
    region: str | None
    occurred_at: datetime
    utc_offset_min: int
    evidence_level: str
    scope: str
    digest: bytes
    overlap: str
    customer_id: UUID | None

    action_id: UUID
    batch_id: UUID
    recorded_at: datetime
    methodology: str | None
    outcome: str
    reason: str | None
    detail: str | None
    gross_mg: int
    avoided_mg: int
    uncertainty_mg: int
    quantity_milli: int
    points: int
    ripens_at: datetime | None
    data: str
    salt: bytes

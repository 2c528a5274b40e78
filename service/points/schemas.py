"""Wire shapes of points. Points are JSON integers; times RFC 3339 in UTC."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from service.http.times import Day
from service.points.grant import GRANT_MAX_POINTS
from service.points.policy_file import Gifts, NewAccounts


class Points(BaseModel):
    """A person's points. `issued` is all that was ever earned; the rest says where it is."""

    balance: int = Field(ge=0, description="May be spent.")
    debt: int = Field(ge=0, description="Taken back after it was spent; paid by what is collected.")
    ripening: int = Field(ge=0, description="Earned, not ripe yet.")
    collectable: int = Field(ge=0, description="Ripe: POST .../collect moves it to the balance.")
    lapsed: int = Field(ge=0, description="Not collected in time.")
    taken_by_friends: int = Field(ge=0, description="Ripe, and taken before it was collected.")
    issued: int = Field(ge=0)
    next_ripens_at: datetime | None
    pending: int = Field(0, ge=0, description="A part of the balance that cannot be spent yet.")
    pending_said: str | None = Field(None, description="Until when it cannot, and why.")


class CollectedEarning(BaseModel):
    """One earning that was collected."""

    local_day: date
    activity: str
    points: int


class Collected(BaseModel):
    """What a collect moved to the balance. A balance below zero is a debt."""

    points: int
    balance: int
    earnings: list[CollectedEarning]


class EarningRow(BaseModel):
    """The points of one day and activity."""

    local_day: date
    activity: str
    actions: int
    points: int
    uncollected: int
    collected: int
    taken_by_friends: int
    lapsed: int
    reversed: int
    ripens_at: datetime
    lapses_at: datetime


class EntryRow(BaseModel):
    """One line that changed the balance."""

    entry_id: UUID
    kind: str
    points: int
    balance_after: int
    ref: dict[str, Any]
    recorded_at: datetime


class WhichEarning(BaseModel):
    """One earning to collect."""

    model_config = ConfigDict(extra="forbid")
    local_day: Day
    activity: str = Field(min_length=1, max_length=64)


class GrantRequest(BaseModel):
    """Points that no action earned, and why they are given."""

    model_config = ConfigDict(extra="forbid")
    points: int = Field(gt=0, le=GRANT_MAX_POINTS)
    reason: str = Field(min_length=1, max_length=200)


class Granted(BaseModel):
    """The entry of a grant, and the balance after it."""

    entry_id: UUID
    points: int
    balance: int


class RuleRow(BaseModel):
    """How one activity is rewarded. A cap that is null does not exist."""

    points_per_gram: int
    flat_points: int | None
    actions_per_day: int | None
    actions_per_month: int | None
    points_per_day: int | None
    points_per_month: int | None
    evidence: str
    ripens_days: int | None
    ripens_at: str | None
    ripens_after_h: int | None
    lapses_after_h: int
    said: str


class LevelRow(BaseModel):
    """The most points that one person may have of all actions of an evidence level together."""

    points_per_day: int
    points_per_month: int


class PolicyInForce(BaseModel):
    """The points policy of a day; `until` is its last day, null as long as nothing follows."""

    since: date
    until: date | None
    default: RuleRow
    activities: dict[str, RuleRow]
    levels: dict[str, LevelRow] = Field(
        description="Budgets of one person for all actions of an evidence level together."
    )
    new_accounts: NewAccounts | None = Field(
        description="How long points of actions are pending for spending in a new account."
    )
    gifts: Gifts

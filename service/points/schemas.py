"""Wire shapes of points. Points are JSON integers; times RFC 3339 in UTC."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, Field


class Points(BaseModel):
    """A person's points. `issued` is all that was ever earned; the rest says where it is."""

    balance: int = Field(ge=0, description="May be spent.")
    debt: int = Field(ge=0, description="Taken back after it was spent; paid by what is collected.")
    ripening: int = Field(ge=0, description="Earned, not ripe yet.")
    collectable: int = Field(ge=0, description="Ripe: POST .../collect moves it to the balance.")
    lapsed: int = Field(ge=0, description="Not collected in time.")
    issued: int = Field(ge=0)
    next_ripens_at: datetime | None


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

"""Wire shapes of actions. Carbon in milligrams CO2e as decimal strings; points as integers."""

from datetime import date, datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from service.intake.schemas import Milligrams


class ReversalRequest(BaseModel):
    """Why an action is undone."""

    model_config = ConfigDict(extra="forbid")
    reason: Annotated[
        str, Field(min_length=1, max_length=64, pattern=r"^[^\x00-\x1f\x7f]+$", examples=["refund"])
    ]


class ReversalResult(BaseModel):
    """What was taken back, and from where the points came."""

    action_id: UUID
    reason: str
    avoided_mg: Milligrams
    points: int
    from_earning: int
    from_balance: int
    as_debt: int
    recorded_at: datetime


class TransferRequest(BaseModel):
    """To which scheme an action's carbon went, and under which of its references."""

    model_config = ConfigDict(extra="forbid")
    scheme: Annotated[
        str,
        Field(
            min_length=1, max_length=64, pattern=r"^[^\x00-\x1f\x7f]+$", examples=["beijing-maas"]
        ),
    ]
    reference: Annotated[
        str,
        Field(
            min_length=1, max_length=128, pattern=r"^[^\x00-\x1f\x7f]+$", examples=["2026-Q1-0007"]
        ),
    ]


class TransferOfAction(BaseModel):
    """That an action's carbon left the total, since another scheme counts it."""

    scheme: str
    reference: str
    recorded_at: datetime


class TransferResult(TransferOfAction):
    """What was moved out of the total. The action's points stay."""

    action_id: UUID
    avoided_mg: Milligrams


class CorroborationOfAction(BaseModel):
    """That two partners reported the same thing: `first` was credited, and is counted at L2."""

    action_id: UUID = Field(description="The other of the two actions.")
    first: bool


class ReversalOfAction(BaseModel):
    """That an action was undone."""

    reason: str
    recorded_at: datetime
    points: int


class RestatementOfAction(BaseModel):
    """The action assessed again under another version; points stay as they are."""

    run_id: UUID
    from_: Annotated[str, Field(alias="from")]
    methodology: str
    outcome: str
    reason: str | None
    detail: str | None
    old_gross_mg: Milligrams
    old_avoided_mg: Milligrams
    gross_mg: Milligrams
    avoided_mg: Milligrams
    recorded_at: datetime


class ActionNow(BaseModel):
    """What the action gives by its newest assessment: the recorded one, or its last restatement."""

    methodology: str | None
    outcome: str
    gross_mg: Milligrams
    avoided_mg: Milligrams


class ActionRow(BaseModel):
    """An action as recorded, and what became of it."""

    action_id: UUID
    source: str
    id: str
    activity: str
    region: str | None
    occurred_at: datetime
    recorded_at: datetime
    local_day: date
    evidence_level: str
    scope: str
    methodology: str | None
    outcome: str
    reason: str | None
    detail: str | None
    gross_mg: Milligrams
    avoided_mg: Milligrams
    points: int
    ripens_at: datetime | None
    data: dict[str, Any]
    inventory_overlap: str
    held: bool = Field(description="The partner's day is held: its carbon is not in the total.")
    transfer: TransferOfAction | None
    corroboration: CorroborationOfAction | None
    now: ActionNow
    restatements: list[RestatementOfAction]
    reversal: ReversalOfAction | None

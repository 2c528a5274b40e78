"""Wire shapes of actions. Carbon in milligrams CO2e as decimal strings; points as integers."""

from datetime import date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from service.http.problems import Problem
from service.points.schemas import Points

Milligrams = Annotated[str, Field(pattern=r"^-?[0-9]+$", description="Milligrams CO2e.")]


class EventResult(BaseModel):
    """What became of an event, for good."""

    source: str
    id: str
    action_id: UUID
    outcome: Literal["credited", "capped", "zero", "refused", "already_claimed"]
    duplicate: bool
    avoided_mg: Milligrams
    points: int
    methodology: str | None
    evidence_level: str
    scope: str
    local_day: date
    ripens_at: datetime | None
    reason: str | None
    detail: str | None


class EventProblem(BaseModel):
    """An event of a batch that was not recorded."""

    source: str | None
    id: str | None
    problem: Problem


class BatchResult(BaseModel):
    """Results in the order sent, and how many there are of each outcome."""

    results: list[EventResult | EventProblem]
    counts: dict[str, int]


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
    now: ActionNow
    restatements: list[RestatementOfAction]
    reversal: ReversalOfAction | None


class CarbonOfActivity(BaseModel):
    """Estimated avoided emissions of one activity."""

    activity: str
    actions: int
    avoided_mg: Milligrams


class Carbon(BaseModel):
    """A person's estimated avoided emissions: L1 and above, Scope 3+."""

    avoided_mg: Milligrams
    actions: int
    by_activity: list[CarbonOfActivity]


class PersonTrees(BaseModel):
    """Trees of one person; three separate figures, never added to avoided emissions.

    Trees are counted by lot: of a lot of 10 of which 8 live, somebody with 5 has 4 surviving.
    """

    contracted: int
    planted: int
    surviving: int


class PersonStatement(BaseModel):
    """Points, carbon and trees of one person, kept apart."""

    points: Points
    carbon: Carbon
    trees: PersonTrees = Field(description="Trees that are this person's alone.")
    shared_trees: PersonTrees = Field(
        description="Trees of complete pools that this person has points in. Each member's figures "
        "count the whole tree, so they do not add up to the trees there are."
    )


class EstimateResult(BaseModel):
    """What the methodology would give; nothing is recorded and nobody's caps are read."""

    source: str
    id: str
    outcome: Literal["credited", "zero", "refused"]
    reason: str | None
    detail: str | None
    methodology: str | None
    gross_mg: Milligrams
    avoided_mg: Milligrams
    points: int
    explanation: dict[str, Any] | None


class EstimateBatch(BaseModel):
    """Estimates in the order sent."""

    results: list[EstimateResult | EventProblem]

"""Wire shapes of events and estimates.

Carbon in milligrams CO2e as decimal strings; points as integers.
"""

from datetime import date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, Field

from service.http.problems import Problem

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

"""Wire shapes of runs. Carbon in milligrams CO2e as decimal strings."""

from datetime import date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, Field


class RunRow(BaseModel):
    """A restatement or a shadow run: how far it is, and what it found so far.

    A restatement's `result` has the effect by month and region and the findings of rule R13; a
    shadow run's the differences by methodology, month, region and evidence level.
    """

    run_id: UUID
    kind: Literal["restatement", "shadow"]
    methodology: str
    from_version: str | None
    target: Annotated[str, Field(description="The version or method, id@version.")]
    first_day: date
    last_day: date
    sample: Annotated[str, Field(description="Share of the actions that is compared, 0 to 1.")]
    status: Literal["running", "done"]
    people: int
    actions: int
    started_at: datetime
    finished_at: datetime | None
    result: dict[str, Any]

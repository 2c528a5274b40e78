"""Wire shapes of totals. Carbon in milligrams CO2e as decimal strings."""

from datetime import date, datetime
from typing import Annotated

from pydantic import BaseModel, Field

Milligrams = Annotated[str, Field(pattern=r"^-?[0-9]+$", description="Milligrams CO2e.")]


Pct = Annotated[
    str | None,
    Field(description="Relative uncertainty at 95 percent confidence; null for an empty figure."),
]


class Trees(BaseModel):
    """Trees of all projects; three separate figures, never added to avoided emissions."""

    contracted: int
    planted: int
    surviving: int


class ByActivity(BaseModel):
    """One activity's share of the total."""

    activity: str
    avoided_mg: Milligrams
    actions: int
    uncertainty_pct: Pct


class ByMethodology(BaseModel):
    """One methodology version's share of the total."""

    methodology: str
    avoided_mg: Milligrams
    actions: int
    uncertainty_pct: Pct


class ByLevel(BaseModel):
    """One evidence level's share of the total."""

    evidence_level: str
    avoided_mg: Milligrams
    actions: int
    uncertainty_pct: Pct


class ByRegion(BaseModel):
    """One region's share of the total: the region whose rule was used."""

    region: str
    avoided_mg: Milligrams
    actions: int
    uncertainty_pct: Pct


class Apart(BaseModel):
    """What is measured and not in the total: held, counted elsewhere, or self-declared."""

    why: str
    avoided_mg: Milligrams
    actions: int


class Verified(BaseModel):
    """The part that an auditor sampled (L3) or verified (L4); all else is an estimate."""

    avoided_mg: Milligrams
    actions: int
    uncertainty_pct: Pct


class GoalView(BaseModel):
    """The goal and how far it is. Rates in milligrams a year."""

    target_mg: Milligrams
    from_: date = Field(serialization_alias="from")
    to: date
    avoided_mg: Milligrams
    share: Annotated[str, Field(pattern=r"^-?[0-9]+\.[0-9]+$", description="1 is the goal.")]
    run_rate_mg_per_year: Milligrams
    required_rate_mg_per_year: Milligrams | None
    projected_year: int | None


class Uncertainty(BaseModel):
    """How far the estimate may be off, at 95 percent confidence."""

    relative_pct: str | None
    method: str


class TotalsView(BaseModel):
    """Estimated avoided emissions, Scope 3+ only: evidence level L1 and above, reversals taken off.

    `points` are all points issued and not taken back; `people` all who were ever counted.
    """

    text: str
    as_of: datetime
    avoided_mg: Milligrams
    actions: int
    people: int
    points: int
    trees: Trees
    by_activity: list[ByActivity]
    by_methodology: list[ByMethodology]
    by_evidence_level: list[ByLevel]
    by_region: list[ByRegion]
    verified: Verified
    kept_apart: list[Apart]
    goal: GoalView
    uncertainty: Uncertainty


class Period(BaseModel):
    """One day, month or year of a series."""

    period: str
    avoided_mg: Milligrams
    actions: int
    points: int
    uncertainty_pct: Pct


class Series(BaseModel):
    """Estimated avoided emissions over time, oldest first; periods without actions are left out."""

    by: str
    as_of: datetime
    data: list[Period]

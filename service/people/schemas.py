"""Wire shapes of what a person sees.

Carbon in milligrams CO2e as decimal strings; points as integers.
"""

from datetime import date, datetime
from uuid import UUID

from pydantic import BaseModel, Field

from service.intake.schemas import Milligrams
from service.points.schemas import EntryRow, Points


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

    person: UUID = Field(description="How webhooks name this person to you; to others, otherwise.")
    points: Points
    carbon: Carbon
    trees: PersonTrees = Field(description="Trees that are this person's alone.")
    shared_trees: PersonTrees = Field(
        description="Trees of complete pools that this person has points in. Each member's figures "
        "count the whole tree, so they do not add up to the trees there are."
    )


class StatementAction(BaseModel):
    """One action: its estimated avoided emissions, its points, and the cap that bit."""

    action_id: UUID
    avoided_mg: str
    points: int
    cap: str | None
    cap_said: str | None
    reversed: bool
    reversed_points: int
    through_link: bool = Field(
        description="Recorded for a customer before it was linked: `through_links` says what of "
        "its points moved."
    )


class StatementLink(BaseModel):
    """Points of a day that waited for the person and moved when they were linked.

    `lapsed` passed a cap of the person's day or month and is not in the earning's points.
    """

    link_id: UUID
    partner: str
    points: int
    lapsed: int
    cap: str | None
    cap_said: str | None


class StatementEarning(BaseModel):
    """The points of one day and activity, and where each of them is.

    `points` is what the person's own actions gave and what came through links, and also
    uncollected + collected + taken_by_friends + lapsed + reversed. `taken_back` came out of the
    balance afterwards, by an entry.
    """

    local_day: date
    activity: str
    rule: str
    points: int
    actions: list[StatementAction]
    through_links: list[StatementLink]
    reported_elsewhere: int = Field(description="Points of actions that this caller may not see.")
    ripens_at: datetime
    lapses_at: datetime
    uncollected: int
    collected: int
    taken_by_friends: int
    lapsed: int
    reversed: int
    taken_back: int


class StatementEntry(EntryRow):
    """A line that changed the balance, and what it was for."""

    what_for: str


class Statement(BaseModel):
    """A span of days: opening_balance + the points of all entries = closing_balance."""

    first_day: date
    last_day: date
    opening_balance: int
    closing_balance: int
    entries: list[StatementEntry]
    earnings: list[StatementEarning]

"""Wire shapes of trees. Points are integers; money is in hundredths of its currency."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Annotated, Literal
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from service.forest.lot import NOTE_CHARS_MAX, PHOTO_CHARS_MAX, PHOTOS_MAX
from service.forest.season import read_windows
from service.http.times import Day

STOCK_MAX = 10**9
PRICE_MAX = 10**9
CENTS_MAX = 10**15


def _printable(text: str | None) -> str | None:
    if text is not None and not text.isprintable():
        raise ValueError("must have no control characters")
    return text


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError("must be an IANA time zone, Asia/Shanghai for one") from error
    return name


Id = Annotated[str, Field(pattern="^[a-z0-9][a-z0-9-]{1,47}$", description="Lower case, -.")]
Text = Annotated[str, Field(min_length=1, max_length=120), AfterValidator(_printable)]
DisplayName = Annotated[
    str | None,
    Field(min_length=1, max_length=40, description="Shown to everybody; only if the owner asks."),
    AfterValidator(_printable),
]
Price = Annotated[int, Field(ge=1, le=PRICE_MAX, strict=True)]
Stock = Annotated[int, Field(ge=0, le=STOCK_MAX, strict=True)]
# Below 0 is wrong, too: that is said beside what else is wrong with a report.
Counted = Annotated[int, Field(ge=-STOCK_MAX, le=STOCK_MAX, strict=True)]
Zone = Annotated[str, Field(max_length=64), AfterValidator(_known_zone)]
ProjectId = Annotated[str, Field(min_length=1, max_length=64)]
Subject = Annotated[str | None, Field(min_length=1, max_length=128)]


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid")


class SeasonWindow(_Request):
    """Days on which trees can be had, both included: yearly as MM-DD, or once as YYYY-MM-DD."""

    from_: str = Field(alias="from", max_length=10)
    to: str = Field(max_length=10)

    model_config = ConfigDict(extra="forbid", validate_by_name=True, serialize_by_alias=True)


def _readable(windows: Sequence[SeasonWindow] | None) -> Sequence[SeasonWindow] | None:
    if windows is not None:
        read_windows([one.model_dump(by_alias=True) for one in windows])
    return windows


Seasons = Annotated[
    list[SeasonWindow],
    Field(max_length=24, description="None: every day from opens_on to closes_on."),
    AfterValidator(_readable),
]


class Budget(_Request):
    """Money for trees: how much there is, and what one tree costs."""

    currency: str = Field(pattern="^[A-Z]{3}$", description="ISO 4217.")
    budget_cents: int = Field(ge=0, le=CENTS_MAX, strict=True)
    cost_cents: int = Field(ge=1, le=CENTS_MAX, strict=True, description="Of one tree.")


class SpeciesView(BaseModel):
    """A kind of tree; its price in points and where that price was published."""

    species: str
    scientific_name: str
    local_name: str
    english_name: str
    price_points: int
    price_source: str


class NewSpecies(_Request):
    """A new species."""

    species: Id
    scientific_name: Text
    local_name: Text
    english_name: Text
    price_points: Price
    price_source: Annotated[str, Field(min_length=1, max_length=300), AfterValidator(_printable)]


class SpeciesChanges(_Request):
    """What to change of a species; the rest stays."""

    scientific_name: Text | None = None
    local_name: Text | None = None
    english_name: Text | None = None
    price_points: Price | None = None
    price_source: Text | None = None


class TreeFigures(BaseModel):
    """Three separate figures, never added to avoided emissions."""

    contracted: int
    planted: int
    surviving: int


class ProjectView(BaseModel):
    """Trees on offer at one place. Days are local to the place."""

    project_id: str
    name: str
    species: SpeciesView
    place: str
    region: str
    planting_partner: str
    price_points: int
    opens_on: date
    closes_on: date
    seasons: list[SeasonWindow]
    time_zone: str
    is_open: bool
    in_season: bool
    next_season: date | None
    stock: int
    stock_left: int
    trees: TreeFigures


class Projects(BaseModel):
    """All projects; there are few, so the list has one page."""

    data: list[ProjectView]
    next_cursor: str | None


class NewProject(_Request):
    """A new project. Without `price_points` it costs what its species does."""

    project_id: Id
    name: Text
    species: Id
    place: Text
    region: Text
    planting_partner: Text
    opens_on: Day
    closes_on: Day
    seasons: Seasons = []
    time_zone: Zone = "Asia/Shanghai"
    is_open: bool = True
    price_points: Price | None = None
    stock: Stock
    budget: Budget | None = None

    @model_validator(mode="after")
    def _in_order(self) -> "NewProject":
        if self.closes_on < self.opens_on:
            raise ValueError("closes_on is before opens_on")
        return self


class ProjectChanges(_Request):
    """What to change of a project; the rest stays. `budget` null takes it away."""

    name: Text | None = None
    place: Text | None = None
    region: Text | None = None
    planting_partner: Text | None = None
    opens_on: Day | None = None
    closes_on: Day | None = None
    seasons: Seasons | None = None
    time_zone: Zone | None = None
    is_open: bool | None = None
    price_points: Price | None = None
    stock: Stock | None = None
    budget: Budget | None = None


class NewOrder(_Request):
    """One tree for one person: a partner names the subject, a person's token needs none."""

    project_id: ProjectId
    subject: Subject = None
    display_name: DisplayName = None


class OrderView(BaseModel):
    """An order and its certificate. `state`: placed, or refunded."""

    order_id: UUID
    project_id: str
    points: int
    serial: str
    certificate_url: str
    display_name: str | None
    lot: str
    lot_state: str
    state: Literal["placed", "refunded"]
    placed_at: datetime
    refunded_at: datetime | None


class OrderPlaced(OrderView):
    """A new order, and what is left of the balance."""

    balance: int


class OrderRefunded(OrderView):
    """A refunded order, and the balance with its points."""

    balance: int


class NewName(_Request):
    """The name that the certificate shows; null shows none."""

    display_name: DisplayName


class NewPool(_Request):
    """A new pool for one tree. `daily_points`: what one person may pour in a day."""

    project_id: ProjectId
    name: Annotated[str, Field(min_length=1, max_length=40), AfterValidator(_printable)]
    subject: Subject = None
    daily_points: Price | None = None
    days: int = Field(30, ge=1, le=365, strict=True, description="Until it is given up.")
    display_name: DisplayName = None


class PoolJoin(_Request):
    """An invitation that is taken up."""

    code: str = Field(min_length=1, max_length=20)
    subject: Subject = None
    display_name: DisplayName = None


class PoolPour(_Request):
    """Points for a pool; the last contribution is cut to what is missing."""

    points: Price
    subject: Subject = None


class PoolLeave(_Request):
    """Who leaves."""

    subject: Subject = None


class PoolMemberView(BaseModel):
    """A member: how many points they hold in the pool, and their name if they chose to show it."""

    number: int
    display_name: str | None
    points: int
    is_you: bool
    has_left: bool


class PoolShown(BaseModel):
    """A group that shares one tree, and how far it is."""

    pool_id: UUID
    project_id: str
    name: str
    code: str
    state: Literal["open", "complete", "dissolved"]
    points: int
    collected: int
    missing: int
    daily_points: int
    serial: str | None
    certificate_url: str | None
    created_at: datetime
    expires_at: datetime
    ended_at: datetime | None


class PoolView(PoolShown):
    """A pool as its members see it."""

    members: list[PoolMemberView]


class PoolOfPerson(PoolShown):
    """A pool as a list of one person's pools shows it."""

    your_points: int = Field(description="What this person holds in it.")


class PoolPoured(PoolView):
    """The pool after points moved: `taken` from the balance, or `returned` to it."""

    taken: int
    returned: int
    balance: int


class LotReportView(BaseModel):
    """What was found at a lot on a day."""

    state: str
    on: date
    by: str
    planted: int | None
    surviving: int | None
    photos: list[str]
    note: str


class LotView(BaseModel):
    """Trees that are planted together. `surviving` is null until the first survey."""

    lot: str
    project_id: str
    state: str
    trees: int
    planted: int
    surviving: int | None


class LotWhole(LotView):
    """A lot with what was reported of it."""

    reports: list[LotReportView]


class NewReport(_Request):
    """What was found at a lot: planted needs `planted`; surveyed and replaced need `surviving`."""

    state: Literal["planted", "accepted", "surveyed", "replaced", "lost"]
    on: Day
    by: Text
    planted: Counted | None = None
    surviving: Counted | None = None
    photos: Annotated[
        list[Annotated[str, Field(min_length=1, max_length=PHOTO_CHARS_MAX, pattern=r"^\S+$")]],
        Field(max_length=PHOTOS_MAX, description="References, addresses for one; no pictures."),
    ] = []
    note: Annotated[str, Field(max_length=NOTE_CHARS_MAX), AfterValidator(_printable)] = ""


class Imported(BaseModel):
    """What an import did: new reports, and those that were known already."""

    recorded: int
    known: int


class Contributor(BaseModel):
    """A share of a pooled tree; a name only where its owner chose one."""

    display_name: str | None
    points: int
    share: str = Field(description="1 is the whole tree; rounded down to four places.")


class CertificateView(BaseModel):
    """One tree, and how its lot is today. Nothing tells whose it is but names that were chosen."""

    serial: str
    state: Literal["valid", "void"]
    url: str
    display_name: str | None
    issued_at: datetime
    voided_at: datetime | None
    project_id: str
    project_name: str
    place: str
    region: str
    planting_partner: str
    species: str
    scientific_name: str
    local_name: str
    english_name: str
    contributors: list[Contributor]
    lot: LotWhole


class ProjectLiability(BaseModel):
    """What all outstanding points would mean for one project, and its money."""

    project_id: str
    price_points: int
    trees_outstanding: int = Field(description="Trees that all outstanding points would buy.")
    stock_left: int
    contracted: int
    funded_trees: int = Field(description="Trees in lots that were handed to the partner.")
    currency: str | None
    cost_cents: int | None
    budget_cents: int | None
    contracted_cents: int | None
    spent_cents: int | None = Field(description="Of the trees handed to the partner.")
    budget_left_cents: int | None = Field(description="Beside the contracted trees.")
    outstanding_cents: int | None = Field(description="If all points were spent here.")
    trees_payable: int = Field(description="More trees that stock and budget allow.")


class LiabilityView(BaseModel):
    """Points promised to people against trees that can be had for them."""

    as_of: datetime
    balance_points: int
    uncollected_points: int
    outstanding_points: int
    covered_points: int = Field(description="Points that all open projects could take in.")
    covered_pct: int | None = Field(description="Outstanding points as a share of these.")
    alarm_pct: int
    alarm: bool
    projects: list[ProjectLiability]

"""Wire shapes of friends. Points are JSON integers; nobody's subject or id is in an answer."""

import unicodedata
from datetime import date, datetime
from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from service.http.times import WHOLE_MAX

REGION = "^[A-Z]{2}(-[A-Z0-9]{1,3})?$"


def _is_readable(text: str) -> str:
    """Return the name; raise ValueError for control and direction characters, which disguise it."""
    if any(unicodedata.category(one).startswith("C") for one in text) or not text.strip():
        raise ValueError("must be visible text without control characters")
    return " ".join(text.split())


Name = Annotated[str, Field(min_length=1, max_length=40), AfterValidator(_is_readable)]


class ProfileBody(BaseModel):
    """What a person shows: without a name a plain label, without a region on no board."""

    model_config = ConfigDict(extra="forbid")
    display_name: Name | None = None
    region: str | None = Field(
        None, pattern=REGION, description="ISO 3166: CN, or CN-BJ; the board to be on."
    )
    is_ranked: bool = Field(True, description="False: on no leaderboard that others see.")


class ProfileRow(ProfileBody):
    """What a person shows, and until when their shield is up."""

    shielded_until: datetime | None


class FriendRequest(BaseModel):
    """Who is asked: the subject that the app uses. Nobody can be searched for."""

    model_config = ConfigDict(extra="forbid")
    subject: str = Field(min_length=1, max_length=128)


class FriendRow(BaseModel):
    """A friendship. `state`: asked (by you), asking (for your answer), friends, blocked, ended."""

    friendship_id: UUID
    state: str
    name: str
    since: datetime


class WaterRequest(BaseModel):
    """The points to give; GET /v1/policies lists the sizes."""

    model_config = ConfigDict(extra="forbid")
    points: int = Field(ge=1, le=WHOLE_MAX)


class WateredRow(BaseModel):
    """What was given, your balance, and how often you can do it again today."""

    points: int
    balance: int
    left_today: int


class FriendEarningRow(BaseModel):
    """Something ripe at a friend's: how much you may take, and until when."""

    earning: UUID
    takeable: int
    lapses_at: datetime


class FriendEarnings(BaseModel):
    """What is ripe at a friend's."""

    shielded: bool
    data: list[FriendEarningRow]


class TakeRequest(BaseModel):
    """The earning to take of; without one, your share of everything that is ripe."""

    model_config = ConfigDict(extra="forbid")
    earning: UUID | None = None


class TakenRow(BaseModel):
    """What was taken, and your balance."""

    points: int
    balance: int


class ShieldRow(BaseModel):
    """Until when nobody can take, what it took, and your balance."""

    shielded_until: datetime
    points: int
    balance: int


class FriendRank(BaseModel):
    """One line of the board among friends."""

    rank: int
    name: str
    points: int
    is_me: bool
    friendship_id: UUID | None


class FriendsBoard(BaseModel):
    """You and your friends, by the points that actions earned."""

    span: str
    starts_on: date
    data: list[FriendRank]


class RegionRank(BaseModel):
    """One line of a region's board."""

    rank: int
    name: str
    points: int


class RegionLeaders(BaseModel):
    """The leaders of a region; withheld when fewer than `least_people` are ranked there."""

    region: str
    span: str
    starts_on: date
    withheld: bool
    least_people: int
    people: int | None
    data: list[RegionRank]

"""Friendships, gifts between friends, what people show of themselves, and the regions' boards."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Index,
    Integer,
    SmallInteger,
    UniqueConstraint,
)
from sqlmodel import Field, SQLModel


class Profile(SQLModel, table=True):
    """What a person chose to show; without a row: nothing."""

    __tablename__ = "profile"
    bucket: int = Field(sa_column=Column(SmallInteger, primary_key=True, autoincrement=False))
    person_id: UUID = Field(primary_key=True)
    display_name: str | None
    region: str | None
    is_ranked: bool = Field(sa_column=Column(Boolean, nullable=False, server_default="true"))
    shielded_until: datetime | None = Field(
        sa_column=Column(DateTime(timezone=True), nullable=True), default=None
    )


class Friend(SQLModel, table=True):
    """One side of a friendship; the other person has a row of their own with the same id.

    `asked`: this person asked. `asking`: the other did. `blocked`: by this person; the other one's
    row, if they have one, goes on saying what it said before, or `asked`.
    """

    __tablename__ = "friend"
    __table_args__ = (
        UniqueConstraint("bucket", "person_id", "friendship_id", name="friend_by_friendship"),
        Index("friend_by_other", "other_id"),
        CheckConstraint(
            "state IN ('asked', 'asking', 'friends', 'blocked')", name="friend_state_is_known"
        ),
    )
    bucket: int = Field(sa_column=Column(SmallInteger, primary_key=True, autoincrement=False))
    person_id: UUID = Field(primary_key=True)
    other_id: UUID = Field(primary_key=True)
    friendship_id: UUID
    state: str
    changed_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))


class Watering(SQLModel, table=True):
    """Points that a person gave a friend; `number` counts the day's gifts to that friend."""

    __tablename__ = "watering"
    __table_args__ = (Index("watering_by_friend", "friend_id"), {"info": {"is_fact": True}})
    bucket: int = Field(sa_column=Column(SmallInteger, primary_key=True, autoincrement=False))
    person_id: UUID = Field(primary_key=True)
    friend_id: UUID = Field(primary_key=True)
    day: date = Field(primary_key=True)
    number: int = Field(sa_column=Column(SmallInteger, primary_key=True, autoincrement=False))
    points: int = Field(sa_column=Column(Integer, nullable=False))
    recorded_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))


class FriendTake(SQLModel, table=True):
    """What a friend took of this person's earning; once for each earning and friend."""

    __tablename__ = "friend_take"
    __table_args__ = (Index("friend_take_by_friend", "friend_id"), {"info": {"is_fact": True}})
    bucket: int = Field(sa_column=Column(SmallInteger, primary_key=True, autoincrement=False))
    person_id: UUID = Field(primary_key=True)
    local_day: date = Field(primary_key=True)
    activity: str = Field(primary_key=True)
    round: int = Field(sa_column=Column(SmallInteger, primary_key=True, autoincrement=False))
    friend_id: UUID = Field(primary_key=True)
    points: int = Field(sa_column=Column(Integer, nullable=False))
    recorded_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))


class LeaderboardRank(SQLModel, table=True):
    """The leaders of a region, a projection with one writer; `people` are all who were ranked."""

    __tablename__ = "leaderboard_rank"
    span: str = Field(primary_key=True)
    region: str = Field(primary_key=True)
    bucket: int = Field(sa_column=Column(SmallInteger, primary_key=True, autoincrement=False))
    person_id: UUID = Field(primary_key=True)
    starts_on: date
    rank: int = Field(sa_column=Column(Integer, nullable=False))
    points: int = Field(sa_column=Column(BigInteger, nullable=False))
    people: int = Field(sa_column=Column(Integer, nullable=False))

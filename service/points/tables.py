"""People's accounts: what they earned, and what changed their balance."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Computed,
    DateTime,
    Index,
    Integer,
    SmallInteger,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel


class Account(SQLModel, table=True):
    """One person, or a customer who waits for one; its lock puts that person's writes in order.

    What a customer earns does not lapse before `waits_until`. A waiting account is closed at
    `closed_at`, when what waited in it moved to the person `moved_to`: it takes no more events.
    """

    __tablename__ = "account"
    bucket: int = Field(sa_column=Column(SmallInteger, primary_key=True, autoincrement=False))
    person_id: UUID = Field(primary_key=True)
    balance: int = Field(sa_column=Column(BigInteger, nullable=False, server_default="0"))
    counted: bool = Field(sa_column=Column(Boolean, nullable=False, server_default="false"))
    created_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
    last_entry_id: UUID | None = None
    waits_until: datetime | None = Field(
        sa_column=Column(DateTime(timezone=True), nullable=True), default=None
    )
    closed_at: datetime | None = Field(
        sa_column=Column(DateTime(timezone=True), nullable=True), default=None
    )
    moved_to: UUID | None = None


class Tombstone(SQLModel, table=True):
    """Somebody was erased: for some time no event of before that makes their account again.

    `person_id` is the keyed hash that the account had.
    """

    __tablename__ = "tombstone"
    __table_args__ = (Index("tombstone_by_time", "erased_at"),)
    bucket: int = Field(sa_column=Column(SmallInteger, primary_key=True, autoincrement=False))
    person_id: UUID = Field(primary_key=True)
    erased_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))


class Earning(SQLModel, table=True):
    """The points of one person, day and activity; also the state that caps are held against.

    What is left to collect is `points - collected - lapsed - reversed - to_friends`, and the
    earning is open as long as that is something. `reversed` was taken back before it was
    collected, `taken_back` (a part of `collected` and `to_friends`) afterwards, from the balance.
    Points that come to a day after its earlier ones have lapsed start another `round`. `legs` are
    the times of credited legs, as `service.intake.legs` writes them; `l0_points`, a part of
    `points`, are those of actions that the person declared.
    """

    __tablename__ = "earning"
    __table_args__ = (
        CheckConstraint(
            "collected >= 0 AND lapsed >= 0 AND reversed >= 0 AND to_friends >= 0"
            " AND collected + lapsed + reversed + to_friends <= points"
            " AND taken_back BETWEEN 0 AND collected + to_friends",
            name="earning_is_not_overdrawn",
        ),
        # Small, whatever people earned in all their years: what is settled leaves it.
        Index(
            "earning_open",
            "bucket",
            "person_id",
            "lapses_at",
            postgresql_where=text("is_open"),
        ),
    )
    bucket: int = Field(sa_column=Column(SmallInteger, primary_key=True, autoincrement=False))
    person_id: UUID = Field(primary_key=True)
    local_day: date = Field(primary_key=True)
    activity: str = Field(primary_key=True)
    round: int = Field(
        sa_column=Column(SmallInteger, primary_key=True, autoincrement=False, server_default="0")
    )
    actions: int = Field(sa_column=Column(Integer, nullable=False))
    points: int = Field(sa_column=Column(Integer, nullable=False))
    gross_mg: int = Field(sa_column=Column(BigInteger, nullable=False))
    quantity_milli: int = Field(sa_column=Column(BigInteger, nullable=False))
    ripens_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
    lapses_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
    collected: int = Field(sa_column=Column(Integer, nullable=False, server_default="0"))
    lapsed: int = Field(sa_column=Column(Integer, nullable=False, server_default="0"))
    reversed: int = Field(sa_column=Column(Integer, nullable=False, server_default="0"))
    taken_back: int = Field(sa_column=Column(Integer, nullable=False, server_default="0"))
    legs: str | None = Field(default=None, description="When the person was on the way.")
    l0_points: int = Field(sa_column=Column(Integer, nullable=False, server_default="0"))
    to_friends: int = Field(sa_column=Column(Integer, nullable=False, server_default="0"))
    is_open: bool = Field(
        sa_column=Column(
            Boolean,
            Computed("points > collected + lapsed + reversed + to_friends", persisted=True),
            nullable=False,
        )
    )


class Entry(SQLModel, table=True):
    """One immutable line that changes a person's balance; the balance is their sum."""

    __tablename__ = "entry"
    __table_args__ = {"info": {"is_fact": True}}
    bucket: int = Field(sa_column=Column(SmallInteger, primary_key=True, autoincrement=False))
    person_id: UUID = Field(primary_key=True)
    entry_id: UUID = Field(primary_key=True)
    kind: str
    points: int = Field(sa_column=Column(BigInteger, nullable=False))
    balance_after: int = Field(sa_column=Column(BigInteger, nullable=False))
    ref: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))
    recorded_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))


class MovedEarning(SQLModel, table=True):
    """Points of an earning that moved from a waiting account to a person, when they were linked.

    `points` moved to the person's earning of the same day and activity; `lapsed` passed the cap
    that `reason` names. `reversed` of the moved points were taken back since.
    """

    __tablename__ = "moved_earning"
    __table_args__ = (
        CheckConstraint("reversed BETWEEN 0 AND points", name="moved_earning_is_not_overdrawn"),
    )
    bucket: int = Field(sa_column=Column(SmallInteger, primary_key=True, autoincrement=False))
    person_id: UUID = Field(primary_key=True)
    link_id: UUID = Field(primary_key=True)
    local_day: date = Field(primary_key=True)
    activity: str = Field(primary_key=True)
    waiting_id: UUID
    points: int = Field(sa_column=Column(Integer, nullable=False))
    lapsed: int = Field(sa_column=Column(Integer, nullable=False))
    reason: str | None = None
    reversed: int = Field(sa_column=Column(Integer, nullable=False, server_default="0"))

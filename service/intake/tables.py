"""What the intake writes: actions, claims and reversals.

Every key starts with `bucket` (0..1023, from the person's or the claim's hash), so that the
schema can be distributed by it. `action` is partitioned by month of `local_day`.
"""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Text,
)
from sqlalchemy.dialects.postgresql import DATEMULTIRANGE, JSONB
from sqlmodel import Field, SQLModel


class Action(SQLModel, table=True):
    """The green thing a person did, as a fact: never updated, never deleted.

    Only erasure empties what says who and what it was about, and then it says `erased_at`.

    `gross_mg` is the signed result of the methodology before any limit, `avoided_mg` what is
    credited, `uncertainty_mg` half the width of its 95 percent interval; all in milligrams CO2e.
    `digest` is the SHA-256 of the event's content, `overlap` the inventory that it also sits in.
    `customer_id` is the customer's keyed hash, where it is not the account's own (links).
    Its leaf is made under `salt`; without one it is of the first form, or the person was erased.
    """

    __tablename__ = "action"
    __table_args__ = (
        # Ids are time-ordered and rows arrive in time order: a block-range index costs next to
        # nothing to keep and finds an id within a few blocks of its month.
        Index(
            "action_by_id",
            "action_id",
            postgresql_using="brin",
            postgresql_with={"pages_per_range": 16, "autosummarize": "on"},
            info={"not_unique": True},
        ),
        # Rows of a batch have one key and come last: a page takes thousands of them.
        Index("action_by_batch", "batch_id"),
        {"postgresql_partition_by": "RANGE (local_day)", "info": {"is_fact": True}},
    )
    bucket: int = Field(sa_column=Column(SmallInteger, primary_key=True, autoincrement=False))
    person_id: UUID = Field(primary_key=True)
    source: str = Field(sa_column=Column(Text(collation="C"), primary_key=True))
    event_id: str = Field(sa_column=Column(Text(collation="C"), primary_key=True))
    local_day: date = Field(primary_key=True)
    action_id: UUID
    batch_id: UUID
    partner: str
    activity: str
    region: str | None
    occurred_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
    utc_offset_min: int = Field(sa_column=Column(SmallInteger, nullable=False))
    recorded_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
    evidence_level: str
    scope: str
    methodology: str | None
    outcome: str
    reason: str | None
    detail: str | None
    gross_mg: int = Field(sa_column=Column(BigInteger, nullable=False))
    avoided_mg: int = Field(sa_column=Column(BigInteger, nullable=False))
    uncertainty_mg: int = Field(sa_column=Column(BigInteger, nullable=False))
    quantity_milli: int = Field(sa_column=Column(BigInteger, nullable=False))
    points: int = Field(sa_column=Column(Integer, nullable=False))
    ripens_at: datetime | None = Field(
        sa_column=Column(DateTime(timezone=True), nullable=True), default=None
    )
    data: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))
    digest: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    overlap: str = Field(sa_column=Column(Text, nullable=False, server_default="none"))
    salt: bytes | None
    erased_at: datetime | None = Field(
        sa_column=Column(DateTime(timezone=True), nullable=True), default=None
    )
    customer_id: UUID | None = None


class Claim(SQLModel, table=True):
    """The ride, order or invoice behind an action, as a keyed hash: credited once, whoever reports.

    `bucket` is that of the claim's own key, since two people may report the same thing. `owner` is
    a keyed hash of the event's names, `level` its evidence level; both are null in rows from before
    they were kept.
    """

    __tablename__ = "claim"
    bucket: int = Field(sa_column=Column(SmallInteger, primary_key=True, autoincrement=False))
    claim_key: UUID = Field(primary_key=True)
    action_id: UUID
    owner: UUID | None = None
    level: str | None = None


class ClaimMeeting(SQLModel, table=True):
    """A mark: an action named what `holder_id` had claimed, and a worker has to see what follows.

    `bucket` and `person_id` are those of the newcomer, `action_id`. `kind` is `superseded` when the
    newcomer has the claim now, `corroborated` when the holder kept it. A settled mark is removed.
    """

    __tablename__ = "claim_meeting"
    bucket: int = Field(sa_column=Column(SmallInteger, primary_key=True, autoincrement=False))
    person_id: UUID = Field(primary_key=True)
    action_id: UUID = Field(primary_key=True)
    holder_id: UUID = Field(primary_key=True)
    kind: str


class Corroboration(SQLModel, table=True):
    """An action that a second, independent partner's report bears out: a row for each of the two.

    `is_first` is the one that was credited; its carbon is counted at L2. `other_id` is the other.
    """

    __tablename__ = "corroboration"
    __table_args__ = ({"info": {"is_fact": True}},)
    bucket: int = Field(sa_column=Column(SmallInteger, primary_key=True, autoincrement=False))
    person_id: UUID = Field(primary_key=True)
    action_id: UUID = Field(primary_key=True)
    other_id: UUID
    is_first: bool = Field(sa_column=Column(Boolean, nullable=False))
    batch_id: UUID
    salt: bytes | None
    local_day: date
    recorded_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))


class YearlyUse(SQLModel, table=True):
    """What is taken of a thing's year, such as a car's, where a sheet limits it: a keyed hash.

    `quantity_milli` in thousandths of the sheet's quantity; `days` belong to one action each.
    `partner` reported the thing first. A reversed action keeps its share, as it keeps its claims.
    """

    __tablename__ = "yearly_use"
    bucket: int = Field(sa_column=Column(SmallInteger, primary_key=True, autoincrement=False))
    thing_key: UUID = Field(primary_key=True)
    year: int = Field(sa_column=Column(SmallInteger, primary_key=True, autoincrement=False))
    partner: str
    quantity_milli: int = Field(sa_column=Column(BigInteger, nullable=False))
    days: Any = Field(sa_column=Column(DATEMULTIRANGE, nullable=False))


class Transfer(SQLModel, table=True):
    """An action whose carbon was sold or issued as a credit elsewhere: it leaves the total.

    The amounts are those that were moved, in milligrams CO2e; points stay.
    """

    __tablename__ = "transfer"
    __table_args__ = ({"info": {"is_fact": True}},)
    bucket: int = Field(sa_column=Column(SmallInteger, primary_key=True, autoincrement=False))
    person_id: UUID = Field(primary_key=True)
    action_id: UUID = Field(primary_key=True)
    batch_id: UUID
    scheme: str
    reference: str
    partner: str
    local_day: date
    recorded_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
    salt: bytes | None


class Reversal(SQLModel, table=True):
    """An action undone by its reporter, as a new fact; once for each action."""

    __tablename__ = "reversal"
    __table_args__ = (
        Index("reversal_by_batch", "bucket", "batch_id"),
        {"info": {"is_fact": True}},
    )
    bucket: int = Field(sa_column=Column(SmallInteger, primary_key=True, autoincrement=False))
    person_id: UUID = Field(primary_key=True)
    action_id: UUID = Field(primary_key=True)
    batch_id: UUID
    reason: str
    local_day: date
    avoided_mg: int = Field(sa_column=Column(BigInteger, nullable=False))
    gross_mg: int = Field(sa_column=Column(BigInteger, nullable=False))
    points: int = Field(sa_column=Column(Integer, nullable=False))
    from_earning: int = Field(sa_column=Column(Integer, nullable=False))
    from_balance: int = Field(sa_column=Column(Integer, nullable=False))
    as_debt: int = Field(sa_column=Column(Integer, nullable=False))
    recorded_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
    salt: bytes | None

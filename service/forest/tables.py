"""Species, projects, lots (reference tables on Citus); stock, orders, certificates and pools."""

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
    LargeBinary,
    SmallInteger,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel


class Species(SQLModel, table=True):
    """A kind of tree, with its scientific name and what it is called where it grows."""

    __tablename__ = "species"
    species: str = Field(primary_key=True, max_length=64)
    scientific_name: str
    local_name: str
    english_name: str
    price_points: int = Field(sa_column=Column(BigInteger, nullable=False))
    price_source: str


class Project(SQLModel, table=True):
    """Trees of one species at one place: when they are on offer, for how much, and who pays.

    How many are sold stands in `stock_cell`, how many were planted and survive in `lot`. Money is
    in hundredths of `currency`; without a budget none of the three is set.
    """

    __tablename__ = "project"
    __table_args__ = (
        CheckConstraint("stock >= 0 AND price_points > 0", name="project_is_sold_for_something"),
        CheckConstraint(
            "(currency IS NULL) = (budget_cents IS NULL)"
            " AND (currency IS NULL) = (cost_cents IS NULL)",
            name="project_budget_is_whole",
        ),
    )
    project: str = Field(primary_key=True, max_length=64)
    name: str
    species: str = Field(foreign_key="species.species")
    place: str
    region: str
    planting_partner: str
    opens_on: date
    closes_on: date
    time_zone: str = Field(
        default="Asia/Shanghai",
        sa_column=Column(Text, nullable=False, server_default="Asia/Shanghai"),
    )
    seasons: list[dict[str, str]] = Field(
        default_factory=list,
        sa_column=Column(JSONB, nullable=False, server_default=text("'[]'::jsonb")),
    )
    is_open: bool = Field(
        default=True, sa_column=Column(Boolean, nullable=False, server_default="true")
    )
    price_points: int = Field(sa_column=Column(BigInteger, nullable=False))
    currency: str | None = None
    budget_cents: int | None = Field(default=None, sa_column=Column(BigInteger))
    cost_cents: int | None = Field(default=None, sa_column=Column(BigInteger))
    stock: int = Field(sa_column=Column(BigInteger, nullable=False))


class StockCell(SQLModel, table=True):
    """A share of a project's stock. Orders spread over the cells, so that none waits for all.

    `lot` is the lot that a tree sold from here joins: who locks the cell knows that it stays.
    """

    __tablename__ = "stock_cell"
    __table_args__ = (
        CheckConstraint("sold BETWEEN 0 AND capacity", name="stock_cell_is_not_oversold"),
    )
    bucket: int = Field(sa_column=Column(SmallInteger, primary_key=True, autoincrement=False))
    project: str = Field(primary_key=True, foreign_key="project.project")
    capacity: int = Field(sa_column=Column(BigInteger, nullable=False))
    sold: int = Field(sa_column=Column(BigInteger, nullable=False, server_default="0"))
    lot: str


class Lot(SQLModel, table=True):
    """Trees that are planted together. `surviving` is unknown until the first survey."""

    __tablename__ = "lot"
    __table_args__ = (
        UniqueConstraint("project", "number", name="lot_number_is_used_once"),
        CheckConstraint(
            "planted >= 0 AND (surviving IS NULL OR surviving BETWEEN 0 AND planted)",
            name="lot_figures_are_in_order",
        ),
    )
    lot: str = Field(primary_key=True)
    project: str = Field(foreign_key="project.project")
    number: int = Field(sa_column=Column(Integer, nullable=False))
    state: str
    planted: int = Field(sa_column=Column(BigInteger, nullable=False, server_default="0"))
    surviving: int | None = Field(default=None, sa_column=Column(BigInteger))
    changed_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))


class LotReport(SQLModel, table=True):
    """What somebody found at a lot on a day; append-only. `digest` makes a repeat known."""

    __tablename__ = "lot_report"
    __table_args__ = (UniqueConstraint("lot", "digest", name="lot_report_is_taken_once"),)
    lot: str = Field(primary_key=True, foreign_key="lot.lot")
    report_id: UUID = Field(primary_key=True)
    state: str
    on_day: date
    reported_by: str
    planted: int | None = Field(default=None, sa_column=Column(BigInteger))
    surviving: int | None = Field(default=None, sa_column=Column(BigInteger))
    photos: list[str] = Field(sa_column=Column(JSONB, nullable=False))
    note: str
    digest: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    recorded_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))


class TreeOrder(SQLModel, table=True):
    """Points that one person spent on one tree. The id's last ten bits are the bucket."""

    __tablename__ = "tree_order"
    __table_args__ = (Index("tree_order_by_person", "bucket", "person_id", "order_id"),)
    bucket: int = Field(sa_column=Column(SmallInteger, primary_key=True, autoincrement=False))
    order_id: UUID = Field(primary_key=True)
    person_id: UUID
    project: str
    points: int = Field(sa_column=Column(BigInteger, nullable=False))
    serial: str
    partner: str
    placed_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
    refunded_at: datetime | None = Field(default=None, sa_column=Column(DateTime(timezone=True)))


class Certificate(SQLModel, table=True):
    """One tree: of an order or of a pool. Its bucket is in its serial."""

    __tablename__ = "certificate"
    __table_args__ = (
        CheckConstraint(
            "(order_id IS NULL) <> (pool_id IS NULL)", name="certificate_has_one_origin"
        ),
        Index("certificate_by_lot", "lot"),
        Index("certificate_by_project", "project"),
    )
    bucket: int = Field(sa_column=Column(SmallInteger, primary_key=True, autoincrement=False))
    serial: str = Field(primary_key=True)
    project: str
    lot: str
    cell: int = Field(sa_column=Column(SmallInteger, nullable=False))
    order_id: UUID | None = None
    pool_id: UUID | None = None
    display_name: str | None = None
    issued_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
    voided_at: datetime | None = Field(default=None, sa_column=Column(DateTime(timezone=True)))


class Pool(SQLModel, table=True):
    """A group that shares one tree; the row that puts its members' contributions in order."""

    __tablename__ = "pool"
    __table_args__ = (
        CheckConstraint("collected BETWEEN 0 AND points", name="pool_takes_no_surplus"),
        UniqueConstraint("bucket", "code", name="pool_code_is_used_once"),
        Index("pool_by_expiry", "expires_at", postgresql_where=text("state = 'open'")),
    )
    bucket: int = Field(sa_column=Column(SmallInteger, primary_key=True, autoincrement=False))
    pool_id: UUID = Field(primary_key=True)
    project: str
    name: str
    code: str
    points: int = Field(sa_column=Column(BigInteger, nullable=False))
    daily_points: int = Field(sa_column=Column(BigInteger, nullable=False))
    collected: int = Field(sa_column=Column(BigInteger, nullable=False, server_default="0"))
    state: str
    serial: str | None = None
    partner: str
    created_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
    expires_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
    ended_at: datetime | None = Field(default=None, sa_column=Column(DateTime(timezone=True)))


class PoolMember(SQLModel, table=True):
    """One person in a pool. `number` is their order of joining; points are what they hold in it."""

    __tablename__ = "pool_member"
    __table_args__ = (Index("pool_member_by_person", "person_bucket", "person_id"),)
    bucket: int = Field(sa_column=Column(SmallInteger, primary_key=True, autoincrement=False))
    pool_id: UUID = Field(primary_key=True)
    person_id: UUID = Field(primary_key=True)
    person_bucket: int = Field(sa_column=Column(SmallInteger, nullable=False))
    number: int = Field(sa_column=Column(Integer, nullable=False))
    display_name: str | None = None
    points: int = Field(sa_column=Column(BigInteger, nullable=False, server_default="0"))
    joined_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
    left_at: datetime | None = Field(default=None, sa_column=Column(DateTime(timezone=True)))


class PoolContribution(SQLModel, table=True):
    """Points that a member poured into a pool, or, below zero, got back; append-only."""

    __tablename__ = "pool_contribution"
    bucket: int = Field(sa_column=Column(SmallInteger, primary_key=True, autoincrement=False))
    pool_id: UUID = Field(primary_key=True)
    contribution_id: UUID = Field(primary_key=True)
    person_id: UUID
    points: int = Field(sa_column=Column(BigInteger, nullable=False))
    local_day: date
    recorded_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))

"""The durable daily totals: a projection of the journal, droppable and rebuilt from it."""

from datetime import date, datetime

from sqlalchemy import BigInteger, Column, DateTime, Index, text
from sqlmodel import Field, SQLModel


class TotalDay(SQLModel, table=True):
    """Sums of one local day, by everything that a total may be split by. Milligrams CO2e.

    `limited` of the actions found no room under a sheet's limits or beside another action.
    """

    __tablename__ = "total_day"
    __table_args__ = (Index("total_day_by_change", "changed_at"),)
    local_day: date = Field(primary_key=True)
    activity: str = Field(primary_key=True)
    methodology: str = Field(primary_key=True)
    version: str = Field(primary_key=True)
    partner: str = Field(primary_key=True)
    region: str = Field(primary_key=True)
    evidence_level: str = Field(primary_key=True)
    scope: str = Field(primary_key=True)
    actions: int = Field(sa_column=Column(BigInteger, nullable=False))
    limited: int = Field(sa_column=Column(BigInteger, nullable=False, server_default="0"))
    gross_mg: int = Field(sa_column=Column(BigInteger, nullable=False))
    avoided_mg: int = Field(sa_column=Column(BigInteger, nullable=False))
    uncertainty_mg: int = Field(sa_column=Column(BigInteger, nullable=False))
    points: int = Field(sa_column=Column(BigInteger, nullable=False))
    changed_at: datetime = Field(
        sa_column=Column(DateTime(timezone=True), nullable=False, server_default=text("now()"))
    )


class JournalDay(SQLModel, table=True):
    """What the journal's rows of one UTC day add to each cell: an answer `as_of` reads few rows."""

    __tablename__ = "journal_day"
    recorded_on: date = Field(primary_key=True)
    local_day: date = Field(primary_key=True)
    activity: str = Field(primary_key=True)
    methodology: str = Field(primary_key=True)
    version: str = Field(primary_key=True)
    partner: str = Field(primary_key=True)
    region: str = Field(primary_key=True)
    evidence_level: str = Field(primary_key=True)
    scope: str = Field(primary_key=True)
    actions: int = Field(sa_column=Column(BigInteger, nullable=False))
    gross_mg: int = Field(sa_column=Column(BigInteger, nullable=False))
    avoided_mg: int = Field(sa_column=Column(BigInteger, nullable=False))
    uncertainty_mg: int = Field(sa_column=Column(BigInteger, nullable=False))
    points: int = Field(sa_column=Column(BigInteger, nullable=False))


class JournalDayClosed(SQLModel, table=True):
    """A UTC day of the journal that is over and added up; days are closed in their order."""

    __tablename__ = "journal_day_closed"
    recorded_on: date = Field(primary_key=True)
    people: int = Field(sa_column=Column(BigInteger, nullable=False))
    journal_rows: int = Field(sa_column=Column(BigInteger, nullable=False))

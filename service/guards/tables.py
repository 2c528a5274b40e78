"""Alarms about implausible means. Small: a reference table on Citus."""

from datetime import date, datetime

from sqlalchemy import BigInteger, Column, DateTime
from sqlmodel import Field, SQLModel


class Hold(SQLModel, table=True):
    """The carbon of a partner, activity and local day that is kept out of the total.

    It was held at a mean of `mean_mg` over `actions` actions; `least_mg` and `most_mg` are what was
    expected, in milligrams CO2e an action. A released hold lets it in again, for good.
    """

    __tablename__ = "hold"
    partner: str = Field(primary_key=True)
    activity: str = Field(primary_key=True)
    local_day: date = Field(primary_key=True)
    actions: int = Field(sa_column=Column(BigInteger, nullable=False))
    mean_mg: int = Field(sa_column=Column(BigInteger, nullable=False))
    least_mg: int = Field(sa_column=Column(BigInteger, nullable=False))
    most_mg: int = Field(sa_column=Column(BigInteger, nullable=False))
    opened_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
    released_at: datetime | None = Field(sa_column=Column(DateTime(timezone=True)))
    released_by: str | None
    reason: str | None

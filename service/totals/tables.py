"""The durable daily totals: a projection of the journal, droppable and rebuilt from it."""

from collections.abc import Iterable, Iterator
from datetime import date, datetime
from typing import Any

from sqlalchemy import BigInteger, Column, Date, DateTime, Index, text
from sqlmodel import Field, SQLModel
from sqlmodel.sql.sqltypes import AutoString

from service.journal.cell import FIGURES, SHOWN, Cell


def _cell(figures: Iterable[str]) -> Iterator[Column[Any]]:
    """The columns of a cell, which are its key, and of figures."""
    for name in Cell._fields:
        yield Column(name, Date() if name == "local_day" else AutoString(), primary_key=True)
    for name in figures:
        yield Column(name, BigInteger, nullable=False)


class TotalDay(SQLModel, table=True):
    """Sums of one local day: every dimension and figure of `journal/cell.py`."""

    __tablename__ = "total_day"
    __table_args__ = (*_cell(FIGURES), Index("total_day_by_change", "changed_at"))
    changed_at: datetime = Field(
        sa_column=Column(DateTime(timezone=True), nullable=False, server_default=text("now()"))
    )


class JournalDay(SQLModel, table=True):
    """What the journal's rows of one UTC day add to each cell: an answer `as_of` reads few rows."""

    __tablename__ = "journal_day"
    __table_args__ = tuple(_cell(SHOWN))
    recorded_on: date = Field(primary_key=True)


class JournalDayClosed(SQLModel, table=True):
    """A UTC day of the journal that is over and added up; days are closed in their order."""

    __tablename__ = "journal_day_closed"
    recorded_on: date = Field(primary_key=True)
    people: int = Field(sa_column=Column(BigInteger, nullable=False))
    journal_rows: int = Field(sa_column=Column(BigInteger, nullable=False))

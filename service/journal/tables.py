"""The journal, and which projector has still to read which of its rows."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Column, DateTime, Index, Integer, LargeBinary, SmallInteger, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel


class Journal(SQLModel, table=True):
    """One committed batch: its summed deltas, and a leaf hash (32 bytes) for each action in it.

    What was known as of a moment is the sum of the rows recorded up to it: `recorded_at` is read
    when the row is written, which is the last thing before the commit.
    """

    __tablename__ = "journal"
    __table_args__ = (Index("journal_by_time", "recorded_at"), {"info": {"is_fact": True}})
    bucket: int = Field(sa_column=Column(SmallInteger, primary_key=True, autoincrement=False))
    batch_id: UUID = Field(primary_key=True)
    kind: str
    actions: int = Field(sa_column=Column(Integer, nullable=False))
    people: int = Field(sa_column=Column(Integer, nullable=False))
    deltas: list[dict[str, Any]] = Field(sa_column=Column(JSONB, nullable=False))
    leaves: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    notices: list[dict[str, Any]] | None = Field(default=None, sa_column=Column(JSONB))
    recorded_at: datetime = Field(
        sa_column=Column(
            DateTime(timezone=True), nullable=False, server_default=text("clock_timestamp()")
        )
    )


class Programme(SQLModel, table=True):
    """One row: the id of the programme whose facts these are."""

    __tablename__ = "programme"
    programme_id: UUID = Field(primary_key=True)


class JournalPending(SQLModel, table=True):
    """A journal row that a projector has not applied yet; written with it, deleted by applying.

    A highest number would skip rows: a lower one may commit later. But the queue positions of one
    person's facts are in the order of their commits.
    """

    __tablename__ = "journal_pending"
    bucket: int = Field(sa_column=Column(SmallInteger, primary_key=True, autoincrement=False))
    batch_id: UUID = Field(primary_key=True)
    projector: str = Field(primary_key=True)
    queue_position: int = Field(
        sa_column=Column(
            BigInteger, nullable=False, server_default=text("nextval('journal_queue_position')")
        )
    )

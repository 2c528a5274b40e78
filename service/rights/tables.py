"""Erasures that were begun: one that is not finished is taken up again."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Column, DateTime, Index, SmallInteger, text
from sqlmodel import Field, SQLModel


class Erasure(SQLModel, table=True):
    """Somebody who asked to be forgotten; `former_id` is theirs until the last trace is gone.

    The audit event of the same moment, which names the account's new id, is the fact.
    """

    __tablename__ = "erasure"
    __table_args__ = (
        Index("erasure_unfinished", "begun_at", postgresql_where=text("finished_at IS NULL")),
    )
    bucket: int = Field(sa_column=Column(SmallInteger, primary_key=True, autoincrement=False))
    erasure_id: UUID = Field(primary_key=True)
    former_id: UUID | None = None
    begun_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
    finished_at: datetime | None = Field(
        sa_column=Column(DateTime(timezone=True), nullable=True), default=None
    )

"""Stored answers of writes that carried an `Idempotency-Key`."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Column, DateTime, Index, LargeBinary, SmallInteger, Text, text
from sqlmodel import Field, SQLModel


class StoredAnswer(SQLModel, table=True):
    """The answer that the first request with this caller and key got, in the same transaction.

    `caller` is a hash of a name that has a person only by their keyed hash, `request_digest` a
    keyed hash. `person_id` is whom the answer is about. A worker deletes what is old.
    """

    __tablename__ = "stored_answer"
    __table_args__ = (
        Index("stored_answer_by_time", "recorded_at"),
        Index(
            "stored_answer_by_person",
            "person_id",
            postgresql_where=text("person_id IS NOT NULL"),
        ),
    )
    bucket: int = Field(sa_column=Column(SmallInteger, primary_key=True, autoincrement=False))
    caller: str = Field(sa_column=Column(Text, primary_key=True))
    idempotency_key: str = Field(sa_column=Column(Text, primary_key=True))
    request_digest: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    body: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    recorded_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
    person_id: UUID | None = None

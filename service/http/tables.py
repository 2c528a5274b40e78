"""Stored answers of writes that carried an `Idempotency-Key`."""

from datetime import datetime

from sqlalchemy import Column, DateTime, LargeBinary, SmallInteger, Text
from sqlmodel import Field, SQLModel


class StoredAnswer(SQLModel, table=True):
    """The answer that the first request with this caller and key got, in the same transaction."""

    __tablename__ = "stored_answer"
    bucket: int = Field(sa_column=Column(SmallInteger, primary_key=True, autoincrement=False))
    caller: str = Field(sa_column=Column(Text, primary_key=True))
    idempotency_key: str = Field(sa_column=Column(Text, primary_key=True))
    request_digest: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    body: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    recorded_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))

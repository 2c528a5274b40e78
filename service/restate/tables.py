"""What restating writes: the new facts, and how far each run has come."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Column, DateTime, Integer, SmallInteger, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel


class Restatement(SQLModel, table=True):
    """An action assessed again under another version, as a new fact; the last one of it counts.

    `sequence` counts the restatements of the action from 1. The `old_` amounts are those that
    were taken off the totals, the others those that were put in, in milligrams CO2e. `region` is
    the one whose rule gave them. Points are not restated.
    """

    __tablename__ = "restatement"
    __table_args__ = {"info": {"is_fact": True}}
    bucket: int = Field(sa_column=Column(SmallInteger, primary_key=True, autoincrement=False))
    person_id: UUID = Field(primary_key=True)
    action_id: UUID = Field(primary_key=True)
    sequence: int = Field(sa_column=Column(SmallInteger, primary_key=True, autoincrement=False))
    run_id: UUID
    batch_id: UUID
    local_day: date
    old_methodology: str
    old_region: str
    old_gross_mg: int = Field(sa_column=Column(BigInteger, nullable=False))
    old_avoided_mg: int = Field(sa_column=Column(BigInteger, nullable=False))
    old_uncertainty_mg: int = Field(sa_column=Column(BigInteger, nullable=False))
    methodology: str
    region: str
    gross_mg: int = Field(sa_column=Column(BigInteger, nullable=False))
    avoided_mg: int = Field(sa_column=Column(BigInteger, nullable=False))
    uncertainty_mg: int = Field(sa_column=Column(BigInteger, nullable=False))
    quantity_milli: int = Field(sa_column=Column(BigInteger, nullable=False))
    outcome: str
    reason: str | None
    detail: str | None
    recorded_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
    salt: bytes | None


class MethodologyRun(SQLModel, table=True):
    """One pass over past actions: a restatement, or a shadow run that is never counted.

    `next_bucket` and `next_person` are the last person that is done: a run that was killed goes on
    after them. `result` is what the run found so far.
    """

    __tablename__ = "methodology_run"
    run_id: UUID = Field(primary_key=True)
    kind: str
    methodology: str
    from_version: str | None
    target: str
    first_day: date
    last_day: date
    sample_ppm: int = Field(sa_column=Column(Integer, nullable=False))
    status: str
    next_bucket: int = Field(
        sa_column=Column(SmallInteger, nullable=False, server_default=text("'-1'"))
    )
    next_person: UUID
    people: int = Field(sa_column=Column(BigInteger, nullable=False, server_default=text("'0'")))
    actions: int = Field(sa_column=Column(BigInteger, nullable=False, server_default=text("'0'")))
    result: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))
    started_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
    finished_at: datetime | None = Field(sa_column=Column(DateTime(timezone=True), nullable=True))

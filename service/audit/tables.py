"""Audit events. Few: a reference table on Citus."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Column, DateTime, Index, LargeBinary
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel


class AuditEvent(SQLModel, table=True):
    """One act of somebody that is no event and no person's own affair, as a fact.

    `act` says what was done, `target` on what, as `partner:golden-wok`. `changes` has each field
    that differs, before and after, without secrets and without names of people; the digests are of
    everything before and after, as SHA-256 of canonical JSON.
    """

    __tablename__ = "audit_event"
    __table_args__ = (
        Index("audit_event_by_target", "target", "event_id"),
        Index("audit_event_by_actor", "actor", "event_id"),
        {"info": {"is_fact": True}},
    )
    event_id: UUID = Field(primary_key=True)
    recorded_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
    actor_kind: str
    actor: str
    partner: str | None = None
    address: str | None = None
    request_id: str | None = None
    act: str
    target: str
    before_sha256: bytes | None = Field(default=None, sa_column=Column(LargeBinary))
    after_sha256: bytes | None = Field(default=None, sa_column=Column(LargeBinary))
    changes: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))

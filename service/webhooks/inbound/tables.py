"""Connectors, their configurations, and what came in through them."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    Column,
    DateTime,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel


class Connector(SQLModel, table=True):
    """A merchant's own webhook, read by a configuration; small: a reference table on Citus.

    `key_prefix` is the partner's key that it was last made, changed or confirmed with: without one
    that may report events, it takes nothing. `secrets` are sealed; several during a rotation, the
    newest first.
    """

    __tablename__ = "connector"
    connector_id: str = Field(primary_key=True, max_length=64)
    partner: str = Field(index=True, max_length=64)
    version: int
    key_prefix: str | None = Field(default=None, max_length=16)
    secrets: list[bytes] = Field(sa_column=Column(ARRAY(LargeBinary), nullable=False))
    created_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
    disabled_at: datetime | None = Field(
        default=None, sa_column=Column(DateTime(timezone=True), nullable=True)
    )


class ConnectorVersion(SQLModel, table=True):
    """One configuration of a connector: never changed, so a delivery tells what read it."""

    __tablename__ = "connector_version"
    connector_id: str = Field(primary_key=True, foreign_key="connector.connector_id")
    version: int = Field(primary_key=True)
    config: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))
    created_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))


class HookDelivery(SQLModel, table=True):
    """One message that came in; `bucket` is that of the hash of connector and message.

    `digest` is the SHA-256 of the body, `answer` what was answered, `payload` the sealed body of a
    message in quarantine.
    """

    __tablename__ = "hook_delivery"
    __table_args__ = (
        Index("hook_delivery_by_connector", "connector_id", "delivery_id"),
        Index("hook_delivery_by_time", "received_at", postgresql_using="brin"),
        Index(
            "hook_delivery_quarantined",
            "connector_id",
            "delivery_id",
            postgresql_where=text("payload IS NOT NULL"),
        ),
    )
    bucket: int = Field(sa_column=Column(SmallInteger, primary_key=True, autoincrement=False))
    connector_id: str = Field(primary_key=True)
    message_key: str = Field(primary_key=True)
    delivery_id: UUID
    digest: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    size_bytes: int = Field(sa_column=Column(Integer, nullable=False))
    received_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
    state: str
    version: int | None = None
    status: int | None = Field(default=None, sa_column=Column(SmallInteger, nullable=True))
    answer: bytes | None = Field(default=None, sa_column=Column(LargeBinary, nullable=True))
    payload: bytes | None = Field(default=None, sa_column=Column(LargeBinary, nullable=True))


class HookEvent(SQLModel, table=True):
    """Which action an event became, so that a refund that names only the order finds it."""

    __tablename__ = "hook_event"
    bucket: int = Field(sa_column=Column(SmallInteger, primary_key=True, autoincrement=False))
    source: str = Field(sa_column=Column(Text, primary_key=True))
    event_id: str = Field(sa_column=Column(Text, primary_key=True))
    action_id: UUID

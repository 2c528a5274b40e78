"""Endpoints, deliveries, attempts, and how far each person's numbers are.

An endpoint's bucket is the low ten bits of its id; its deliveries carry the same bits in theirs.
So a delivery is found by its id alone, and an endpoint's queue lies on one node.
"""

from datetime import datetime
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Column,
    DateTime,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Text,
    text,
)
from sqlmodel import Field, SQLModel


def _time(*, nullable: bool = False) -> Column[datetime]:
    return Column(DateTime(timezone=True), nullable=nullable)


class WebhookEndpoint(SQLModel, table=True):
    """A partner's URL. `key_prefix` is the key that it was last made or confirmed with.

    Secrets are sealed; `old_sealed` also signs until `old_until`. `failures` in a row; the breaker
    is open until `open_until` and was opened `trips` times since the last success.
    """

    __tablename__ = "webhook_endpoint"
    endpoint_id: UUID = Field(primary_key=True)
    bucket: int = Field(sa_column=Column(SmallInteger, nullable=False))
    partner: str = Field(index=True)
    key_prefix: str | None = Field(default=None, max_length=16)
    url: str
    types: list[str] = Field(sa_column=Column(ARRAY(Text), nullable=False))
    batch_max: int = Field(sa_column=Column(Integer, nullable=False))
    description: str
    signing: str
    sealed: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    old_sealed: bytes | None = Field(sa_column=Column(LargeBinary, nullable=True), default=None)
    old_until: datetime | None = Field(sa_column=_time(nullable=True), default=None)
    created_at: datetime = Field(sa_column=_time())
    disabled_at: datetime | None = Field(sa_column=_time(nullable=True), default=None)
    disabled_reason: str | None = None
    failures: int = Field(sa_column=Column(Integer, nullable=False, server_default="0"), default=0)
    trips: int = Field(sa_column=Column(Integer, nullable=False, server_default="0"), default=0)
    failing_since: datetime | None = Field(sa_column=_time(nullable=True), default=None)
    open_until: datetime | None = Field(sa_column=_time(nullable=True), default=None)


class WebhookDelivery(SQLModel, table=True):
    """One message to one endpoint: `body` is what is sent, byte for byte, at every attempt.

    While it is `waiting`, `due_at` is the next attempt's moment; a sender that takes it moves the
    moment ahead, so that a sender that dies only delays it. `attempts` are all there were,
    `earlier` those before it was last asked to be sent again.
    """

    __tablename__ = "webhook_delivery"
    __table_args__ = (
        Index(
            "webhook_delivery_due",
            "bucket",
            "endpoint_id",
            "due_at",
            "delivery_id",
            postgresql_where=text("state = 'waiting'"),
        ),
        Index("webhook_delivery_by_endpoint", "bucket", "endpoint_id", "delivery_id"),
        Index("webhook_delivery_by_age", "created_at"),
    )
    bucket: int = Field(sa_column=Column(SmallInteger, primary_key=True, autoincrement=False))
    delivery_id: UUID = Field(primary_key=True)
    endpoint_id: UUID
    type: str
    notices: int = Field(sa_column=Column(Integer, nullable=False))
    body: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    state: str
    attempts: int = Field(sa_column=Column(Integer, nullable=False, server_default="0"))
    earlier: int = Field(sa_column=Column(Integer, nullable=False, server_default="0"))
    created_at: datetime = Field(sa_column=_time())
    due_at: datetime = Field(sa_column=_time())
    settled_at: datetime | None = Field(sa_column=_time(nullable=True), default=None)


class WebhookAttempt(SQLModel, table=True):
    """One HTTP try: what came of it, and the first KiB of the answer."""

    __tablename__ = "webhook_attempt"
    bucket: int = Field(sa_column=Column(SmallInteger, primary_key=True, autoincrement=False))
    delivery_id: UUID = Field(primary_key=True)
    number: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    started_at: datetime = Field(sa_column=_time())
    duration_ms: int = Field(sa_column=Column(Integer, nullable=False))
    result: str
    status: int | None = Field(sa_column=Column(SmallInteger, nullable=True), default=None)
    error: str | None = None
    answer: bytes | None = Field(sa_column=Column(LargeBinary, nullable=True), default=None)


class WebhookSequence(SQLModel, table=True):
    """The last number that an endpoint's notices about a person have reached."""

    __tablename__ = "webhook_sequence"
    bucket: int = Field(sa_column=Column(SmallInteger, primary_key=True, autoincrement=False))
    endpoint_id: UUID = Field(primary_key=True)
    person_id: UUID = Field(primary_key=True)
    last: int = Field(sa_column=Column(BigInteger, nullable=False))

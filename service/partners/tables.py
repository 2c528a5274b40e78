"""Partners, the sources they report under, and their keys. Small: reference tables on Citus."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Integer,
    LargeBinary,
    Text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from service.partners.keys import earliest


class Partner(SQLModel, table=True):
    """An app or merchant that reports events. Each wipe of its test data starts a new epoch.

    `people` says whose people its subjects are: the programme's, or customers of its own. It has
    been so since `people_since`; without that, from the beginning.
    """

    __tablename__ = "partner"
    __table_args__ = (
        CheckConstraint("people IN ('own', 'programme')", name="partner_people_is_known"),
    )
    partner: str = Field(primary_key=True, max_length=64)
    name: str
    created_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
    disabled_at: datetime | None = Field(
        default=None, sa_column=Column(DateTime(timezone=True), nullable=True)
    )
    test_epoch: int = Field(
        default=0, sa_column=Column(Integer, nullable=False, server_default="0")
    )
    quota_per_minute: int | None = Field(default=None, sa_column=Column(Integer))
    people: str = Field(default="own", sa_column=Column(Text, nullable=False, server_default="own"))
    people_since: datetime | None = Field(
        default=None, sa_column=Column(DateTime(timezone=True), nullable=True)
    )


class Source(SQLModel, table=True):
    """A name under which one partner reports; `source` of a CloudEvent."""

    __tablename__ = "source"
    source: str = Field(primary_key=True, max_length=64)
    partner: str = Field(foreign_key="partner.partner", index=True)


class Proposal(SQLModel, table=True):
    """A change that waits for a second person, or did: `body` is all that it says.

    `scope` is what whoever confirms it needs; `partner` the one that proposed it.
    """

    __tablename__ = "proposal"
    proposal_id: UUID = Field(primary_key=True)
    kind: str
    scope: str
    body: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))
    partner: str
    proposer_kind: str
    proposer: str
    proposed_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
    expires_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
    state: str
    decider_kind: str | None = None
    decider: str | None = None
    decided_at: datetime | None = Field(
        default=None, sa_column=Column(DateTime(timezone=True), nullable=True)
    )


class ApiKey(SQLModel, table=True):
    """A partner's key: only the SHA-256 of its secret (256 random bits) is stored.

    `replaces` is the key that it succeeded in a rotation, which is then live until `retires_at`;
    `made_by` the one of its own partner that made it. What a key's lineage is: both, and theirs.
    """

    __tablename__ = "api_key"
    prefix: str = Field(primary_key=True, max_length=16)
    partner: str = Field(foreign_key="partner.partner", index=True)
    secret_sha256: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    scopes: list[str] = Field(sa_column=Column(ARRAY(Text), nullable=False))
    created_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
    expires_at: datetime | None = Field(
        default=None, sa_column=Column(DateTime(timezone=True), nullable=True)
    )
    revoked_at: datetime | None = Field(
        default=None, sa_column=Column(DateTime(timezone=True), nullable=True)
    )
    is_test: bool = Field(
        default=False, sa_column=Column(Boolean, nullable=False, server_default="false")
    )
    replaces: str | None = Field(default=None, max_length=16)
    made_by: str | None = Field(default=None, max_length=16)
    retires_at: datetime | None = Field(
        default=None, sa_column=Column(DateTime(timezone=True), nullable=True)
    )
    last_used_at: datetime | None = Field(
        default=None, sa_column=Column(DateTime(timezone=True), nullable=True)
    )

    @property
    def ends_at(self) -> datetime | None:
        """When it ends by itself: it expires, or its successor takes over. None: never."""
        return earliest(self.expires_at, self.retires_at)

"""Links and their ends, where a customer's events go, and codes that ask for a consent."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Column, DateTime, Integer, LargeBinary, SmallInteger, Uuid
from sqlmodel import Field, SQLModel


def _time() -> Any:
    return Field(sa_column=Column(DateTime(timezone=True), nullable=False))


class Link(SQLModel, table=True):
    """A person's consent that a partner's customer is them, as a fact.

    `customer_id` is the customer's keyed hash; what waited in `waiting_id` moved to the person.
    """

    __tablename__ = "link"
    __table_args__ = {"info": {"is_fact": True}}
    bucket: int = Field(sa_column=Column(SmallInteger, primary_key=True, autoincrement=False))
    person_id: UUID = Field(primary_key=True)
    link_id: UUID = Field(primary_key=True)
    partner: str
    customer_id: UUID
    waiting_id: UUID
    scenario: str
    text_version: str
    linked_at: datetime = _time()
    salt: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class LinkEnd(SQLModel, table=True):
    """The end of a person's consent, as a fact: later events wait elsewhere."""

    __tablename__ = "link_end"
    __table_args__ = {"info": {"is_fact": True}}
    bucket: int = Field(sa_column=Column(SmallInteger, primary_key=True, autoincrement=False))
    person_id: UUID = Field(primary_key=True)
    link_id: UUID = Field(primary_key=True)
    ended_at: datetime = _time()
    salt: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class CustomerRoute(SQLModel, table=True):
    """Where the events of a customer go who was ever linked, and where earlier ones went.

    `account_id` is the person while `link_id` is set, and a waiting account otherwise: the
    customer's own hash, and after each end of a link another one. `bucket` is the customer's.
    """

    __tablename__ = "customer_route"
    bucket: int = Field(sa_column=Column(SmallInteger, primary_key=True, autoincrement=False))
    customer_id: UUID = Field(primary_key=True)
    partner: str
    generation: int = Field(sa_column=Column(Integer, nullable=False))
    account_id: UUID
    link_id: UUID | None = None
    earlier: list[UUID] = Field(sa_column=Column(ARRAY(Uuid()), nullable=False))


class LinkCode(SQLModel, table=True):
    """A code by which a person may consent, for ten minutes: only its keyed hash is stored."""

    __tablename__ = "link_code"
    bucket: int = Field(sa_column=Column(SmallInteger, primary_key=True, autoincrement=False))
    code_key: UUID = Field(primary_key=True)
    partner: str
    customer_id: UUID
    scenario: str
    text_version: str
    expires_at: datetime = _time()
    link_id: UUID | None = None

"""What the service is compared with: an empty route, and what a team would write first.

`/empty` is the framework's limit. `/events` validates one event, adds a row and commits. It is
generous to itself: no keys, no caps, no claims, no earnings, no journal, no totals; repeats are
what the primary key refuses. The rows have the columns and the key of the service's actions.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime
from decimal import Decimal
from hashlib import sha256
from typing import Annotated, Any
from uuid import UUID, uuid4, uuid5

from fastapi import Depends, FastAPI
from pydantic import AwareDatetime, BaseModel
from sqlalchemy import BigInteger, Column, DateTime, LargeBinary, SmallInteger
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlmodel import Field, SQLModel
from sqlmodel.ext.asyncio.session import AsyncSession

from loadtest.bench.serve import serve

PEOPLE = UUID("6f1d2c0a-5b0e-4c53-9d7a-8f6c1f4f6d11")
G_PER_KM = {"transit.metro": Decimal(72), "transit.bus": Decimal(52), "cycle.bike": Decimal(48)}
G_EACH = Decimal(20)
POOL = 16


class Event(BaseModel):
    specversion: str
    id: str
    source: str
    type: str
    subject: str
    time: AwareDatetime
    data: dict[str, Any]


class NaiveAction(SQLModel, table=True):
    """The row has the columns of the service's action."""

    __tablename__ = "naive_action"
    __table_args__ = {"schema": "saxaul_bench"}
    bucket: int = Field(sa_column=Column(SmallInteger, primary_key=True, autoincrement=False))
    person_id: UUID = Field(primary_key=True)
    source: str = Field(primary_key=True)
    event_id: str = Field(primary_key=True)
    local_day: date = Field(primary_key=True)
    action_id: UUID
    batch_id: UUID
    partner: str
    activity: str
    region: str | None
    occurred_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
    utc_offset_min: int = Field(sa_column=Column(SmallInteger, nullable=False))
    recorded_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
    evidence_level: str
    scope: str
    methodology: str | None
    outcome: str
    reason: str | None
    detail: str | None
    gross_mg: int = Field(sa_column=Column(BigInteger, nullable=False))
    avoided_mg: int = Field(sa_column=Column(BigInteger, nullable=False))
    uncertainty_mg: int = Field(sa_column=Column(BigInteger, nullable=False))
    quantity_milli: int = Field(sa_column=Column(BigInteger, nullable=False))
    points: int
    ripens_at: datetime | None = Field(sa_column=Column(DateTime(timezone=True), nullable=True))
    data: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))
    digest: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class Answer(BaseModel):
    id: str
    outcome: str
    avoided_mg: str
    points: int


engine = create_async_engine(
    "postgresql+asyncpg://" + os.environ.get("BENCH_DATABASE_URL", "").partition("://")[2],
    pool_size=POOL,
    connect_args={"server_settings": {"jit": "off"}},
)


async def session_of() -> AsyncIterator[AsyncSession]:
    async with AsyncSession(engine, expire_on_commit=False) as session:
        yield session


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    """The table is made before the first request."""
    async with engine.begin() as connection:
        await connection.run_sync(SQLModel.metadata.create_all)
    yield
    await engine.dispose()


app = FastAPI(lifespan=lifespan)


@app.get("/empty")
@app.post("/empty")
async def answer() -> dict[str, str]:
    """The route answers without reading anything."""
    return {"outcome": "nothing"}


@app.post("/events", status_code=201)
async def report(event: Event, session: Annotated[AsyncSession, Depends(session_of)]) -> Answer:
    """The route records one event; a repeat is what the primary key refuses."""
    action = action_of(event)
    outcome = action.outcome
    session.add(action)
    try:
        await session.commit()
    except IntegrityError:
        outcome = "duplicate"
    return Answer(
        id=event.id, outcome=outcome, avoided_mg=str(action.avoided_mg), points=action.points
    )


def action_of(event: Event) -> NaiveAction:
    person = uuid5(PEOPLE, event.subject)
    quantity = Decimal(str(event.data.get("distance_km", 1)))
    avoided_mg = int(quantity * G_PER_KM.get(event.type, G_EACH) * 1000)
    return NaiveAction(
        bucket=person.int >> 118,
        person_id=person,
        source=event.source,
        event_id=event.id,
        local_day=event.time.date(),
        action_id=uuid4(),
        batch_id=uuid4(),
        partner="demo",
        activity=event.type,
        region=event.data.get("region"),
        occurred_at=event.time,
        utc_offset_min=480,
        recorded_at=datetime.now(UTC),
        evidence_level="L1",
        scope="3+",
        methodology=f"{event.type}@1.0.0",
        outcome="credited",
        reason=None,
        detail=None,
        gross_mg=avoided_mg,
        avoided_mg=avoided_mg,
        uncertainty_mg=avoided_mg // 2,
        quantity_milli=int(quantity * 1000),
        points=avoided_mg // 1000,
        ripens_at=datetime.now(UTC),
        data=event.data,
        digest=sha256(event.model_dump_json().encode()).digest(),
    )


if __name__ == "__main__":
    serve(app)

"""What a team would write first to collect points: read, change, write, commit.

Generous to itself: it locks one row, knows no caps, repeats or reversals, and needs no credentials.
The rows are as many as the service's, with the same keys.
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Annotated
from uuid import uuid4

from fastapi import Depends, FastAPI
from pydantic import BaseModel
from sqlalchemy import BigInteger, Column, DateTime
from sqlmodel import Field, SQLModel, select
from sqlmodel.ext.asyncio.session import AsyncSession

from loadtest.bench.naive import lifespan, session_of
from loadtest.bench.serve import serve

SCHEMA = {"schema": "saxaul_bench"}


class NaiveAccount(SQLModel, table=True):
    """A person's balance."""

    __tablename__ = "naive_account"
    __table_args__ = SCHEMA
    subject: str = Field(primary_key=True)
    balance: int = Field(default=0, sa_column=Column(BigInteger, nullable=False))


class NaiveEarning(SQLModel, table=True):
    """What a person earned on a day with an activity."""

    __tablename__ = "naive_earning"
    __table_args__ = SCHEMA
    subject: str = Field(primary_key=True)
    local_day: date = Field(primary_key=True)
    activity: str = Field(primary_key=True)
    points: int
    collected: int = 0
    ripens_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
    lapses_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))


class NaiveEntry(SQLModel, table=True):
    """A line that changed a balance."""

    __tablename__ = "naive_entry"
    __table_args__ = SCHEMA
    entry_id: str = Field(primary_key=True)
    subject: str
    points: int
    balance_after: int = Field(sa_column=Column(BigInteger, nullable=False))
    recorded_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))


class Prepared(BaseModel):
    """Who has something to collect, and how much by activity."""

    subjects: list[str]
    local_day: date
    points: dict[str, int]


class Answer(BaseModel):
    """What was collected."""

    points: int
    balance: int


app = FastAPI(lifespan=lifespan)
Session = Annotated[AsyncSession, Depends(session_of)]


@app.post("/prepare")
async def prepare(wanted: Prepared, session: Session) -> Answer:
    """Make the rows; not measured."""
    now = datetime.now(UTC)
    for subject in wanted.subjects:
        session.add(NaiveAccount(subject=subject))
        for activity, points in wanted.points.items():
            session.add(
                NaiveEarning(
                    subject=subject,
                    local_day=wanted.local_day,
                    activity=activity,
                    points=points,
                    ripens_at=now,
                    lapses_at=now.replace(year=now.year + 1),
                )
            )
    await session.commit()
    return Answer(points=0, balance=0)


@app.post("/collect/{subject}")
async def collect(subject: str, session: Session) -> Answer:
    """Collect what is ripe."""
    now = datetime.now(UTC)
    query = select(NaiveAccount).where(NaiveAccount.subject == subject).with_for_update()
    account = (await session.exec(query)).one()
    ripe: Sequence[NaiveEarning] = (
        await session.exec(
            select(NaiveEarning).where(
                NaiveEarning.subject == subject,
                NaiveEarning.ripens_at <= now,
                NaiveEarning.lapses_at > now,
                NaiveEarning.points > NaiveEarning.collected,
            )
        )
    ).all()
    points = 0
    for earning in ripe:
        points += earning.points - earning.collected
        earning.collected = earning.points
    account.balance += points
    balance = account.balance
    session.add(
        NaiveEntry(
            entry_id=str(uuid4()),
            subject=subject,
            points=points,
            balance_after=balance,
            recorded_at=now,
        )
    )
    await session.commit()
    return Answer(points=points, balance=balance)


if __name__ == "__main__":
    serve(app)

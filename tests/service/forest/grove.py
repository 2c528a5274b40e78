"""Projects and people with points, for tests of trees."""

import asyncio
from collections.abc import Coroutine, Iterable, Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
from builders import NOW, PERSON_KEY, as_operator, unique
from fastapi import FastAPI
from sqlalchemy import text

from service.forest.catalogue import add_project, add_species
from service.forest.tables import Project, Species
from service.partners.person import PersonId
from service.partners.person_key import hasher_under
from service.points.store import append_entry, lock_account
from service.reconciliation.reconcile import RULES

PRICE = 100
HASHER = hasher_under(bytes.fromhex(PERSON_KEY))
AT_ONCE = 20  # requests in flight; the server has ten connections to the database
BUSY = 503


async def a_project(app: FastAPI, *, stock: int = 10, price: int = PRICE, **changes: Any) -> str:
    """Return a project of saxauls that is open for a year, and its id."""
    name = unique("grove")
    whole: dict[str, Any] = {
        "name": f"Saxaul, {name}",
        "place": "Alxa League",
        "region": "CN-NM",
        "planting_partner": "Green hands",
        "opens_on": NOW.date(),
        "closes_on": NOW.date() + timedelta(days=365),
        **changes,
    }
    async with as_operator(app.state.runtime.resources.sessions) as session:
        await add_species(
            session,
            Species(
                species=name,
                scientific_name="Haloxylon ammodendron",
                local_name="梭梭",
                english_name="Saxaul",
                price_points=price,
                price_source="a published price",
            ),
            now=NOW,
        )
        project = Project(project=name, species=name, stock=stock, price_points=price, **whole)
        await add_project(session, project, now=NOW)
    return name


async def with_points(app: FastAPI, points: int, subject: str | None = None) -> str:
    """Return somebody who holds so many points more; their subject."""
    subject = subject or unique("planter")
    person = HASHER.person(subject)
    async with app.state.runtime.resources.sessions() as session, session.begin():
        balance = await lock_account(session, person, NOW)
        await append_entry(
            session,
            person,
            kind="grant",
            points=points,
            balance_after=balance + points,
            ref="{}",
            now=NOW,
        )
    return subject


async def a_crowd(app: FastAPI, count: int, points: int) -> list[str]:
    """Many people who hold so many points each, made in two statements."""
    subjects = [unique("planter") for _ in range(count)]
    people = [HASHER.person(one) for one in subjects]
    named = {
        "buckets": [one.bucket for one in people],
        "ids": [one.id for one in people],
        "points": points,
        "first": UUID(int=0),
        "now": NOW,
    }
    both = "unnest(CAST(:buckets AS int2[]), CAST(:ids AS uuid[])) AS one(bucket, id)"
    async with app.state.runtime.resources.sessions() as session, session.begin():
        await session.execute(
            text(
                "INSERT INTO account (bucket, person_id, balance, created_at)"
                f" SELECT bucket, id, CAST(:points AS int8), :now FROM {both}"
            ),
            named,
        )
        await session.execute(
            text(
                "INSERT INTO entry (bucket, person_id, entry_id, kind, points, balance_after, ref,"
                " recorded_at) SELECT bucket, id, CAST(:first AS uuid), 'grant',"
                f" CAST(:points AS int8), CAST(:points AS int8), '{{}}', :now FROM {both}"
            ),
            named,
        )
    return subjects


def person_of(subject: str) -> PersonId:
    return HASHER.person(subject)


async def insist(client: httpx.AsyncClient, path: str, body: Mapping[str, Any]) -> httpx.Response:
    """Post with a key of its own; again with it, as `Retry-After` asks, when the server is busy."""
    headers = {"Idempotency-Key": unique("key")}
    for _ in range(100):
        answer = await client.post(path, json=body, headers=headers)
        if answer.status_code != BUSY:
            break
        await asyncio.sleep(int(answer.headers["retry-after"]))
    return answer


async def all_at_once(work: Iterable[Coroutine[Any, Any, Any]]) -> list[Any]:
    """Do everything concurrently, AT_ONCE of it at a time."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def through(one: Coroutine[Any, Any, Any]) -> Any:
        async with gate:
            return await one

    return await asyncio.gather(*(through(one) for one in work))


async def order(client: httpx.AsyncClient, project: str, subject: str) -> httpx.Response:
    return await insist(client, "/v1/orders", {"project_id": project, "subject": subject})


async def ordered(client: httpx.AsyncClient, project: str, subject: str) -> dict[str, Any]:
    answer = await order(client, project, subject)
    assert answer.status_code == 201, answer.text
    return answer.json()


async def balance_of(client: httpx.AsyncClient, subject: str) -> int:
    return (await client.get(f"/v1/people/{subject}")).json()["points"]["balance"]


async def project_of(client: httpx.AsyncClient, project: str) -> dict[str, Any]:
    return (await client.get(f"/v1/projects/{project}")).json()


async def notices_of(app: FastAPI, project: str) -> list[str]:
    """Types of the notices that name a project, in the order of the journal."""
    async with app.state.runtime.resources.sessions() as session:
        found = await session.execute(
            text(
                "SELECT notice ->> 'type' FROM journal, jsonb_array_elements(notices) AS notice"
                " WHERE notice -> 'data' ->> 'project_id' = :project ORDER BY batch_id"
            ),
            {"project": project},
        )
        return list(found.scalars())


async def broken_rules(app: FastAPI) -> list[str]:
    """Rules of trees that do not hold, over the whole database."""
    words = ("stock", "contracted", "certificate", "spent - refunded", "pool", "planted", "balance")
    async with app.state.runtime.resources.sessions() as session:
        return [
            rule
            for rule, query in RULES.items()
            if any(word in rule for word in words)
            and (await session.execute(text(query))).scalar_one()
        ]

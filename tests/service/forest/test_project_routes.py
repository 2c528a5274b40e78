"""What trees are on offer."""

from datetime import timedelta

import httpx
import pytest
from builders import NOW, SteppedClock, unique
from fastapi import FastAPI

from service.forest.tables import Project, Species


@pytest.fixture(scope="module")
async def project_id(app: FastAPI) -> str:
    name = unique("project")
    async with app.state.resources.sessions() as session, session.begin():
        session.add(
            Species(
                species=name,
                scientific_name="Haloxylon ammodendron",
                local_name="梭梭",
                english_name="Saxaul",
                price_points=17_900,
                price_source="a published price",
            )
        )
        await session.flush()
        session.add(
            Project(
                project=name,
                name=name,
                species=name,
                place="Alxa League",
                region="CN-NM",
                planting_partner="somebody",
                opens_on=NOW.date(),
                closes_on=NOW.date() + timedelta(days=1),
                stock=10,
                contracted=3,
            )
        )
    return name


async def test_a_project_says_what_is_left(public: httpx.AsyncClient, project_id: str) -> None:
    answer = await public.get(f"/v1/projects/{project_id}")

    body = answer.json()
    assert (body["stock"], body["stock_left"], body["in_season"]) == (10, 7, True)
    assert (body["species"]["price_points"], body["species"]["local_name"]) == (17_900, "梭梭")


async def test_it_is_in_the_list(public: httpx.AsyncClient, project_id: str) -> None:
    listed = (await public.get("/v1/projects")).json()

    assert project_id in [one["project_id"] for one in listed["data"]]
    assert listed["next_cursor"] is None


async def test_a_season_ends(
    public: httpx.AsyncClient, project_id: str, clock: SteppedClock
) -> None:
    clock.advance(days=2)

    body = (await public.get(f"/v1/projects/{project_id}")).json()

    assert body["in_season"] is False


async def test_an_unknown_project_is_not_found(public: httpx.AsyncClient) -> None:
    answer = await public.get("/v1/projects/nowhere")

    assert (answer.status_code, answer.json()["type"]) == (404, "/problems/project-not-found")

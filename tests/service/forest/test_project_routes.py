"""What trees are on offer."""

from datetime import timedelta

import httpx
import pytest
from builders import NOW, SteppedClock
from fastapi import FastAPI
from grove import a_project


@pytest.fixture(scope="module")
async def project_id(app: FastAPI) -> str:
    closes_on = NOW.date() + timedelta(days=1)
    return await a_project(app, stock=10, price=17_900, closes_on=closes_on)


async def test_a_project_says_what_is_left(public: httpx.AsyncClient, project_id: str) -> None:
    answer = await public.get(f"/v1/projects/{project_id}")

    body = answer.json()
    assert (body["stock"], body["stock_left"], body["in_season"]) == (10, 10, True)
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

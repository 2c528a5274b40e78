"""A group shares one tree: paid to the point, completed once, given back if it ends without."""

import asyncio
from collections import Counter
from typing import Any

import httpx
from builders import SteppedClock, unique
from fastapi import FastAPI
from grove import (
    PRICE,
    a_project,
    all_at_once,
    balance_of,
    broken_rules,
    insist,
    notices_of,
    order,
    project_of,
    with_points,
)

from workers.pools import end_pools


async def a_pool(client: httpx.AsyncClient, project: str, founder: str, **more: Any) -> Any:
    body = {"project_id": project, "subject": founder, "name": "Our tree", **more}
    answer = await insist(client, "/v1/pools", body)
    assert answer.status_code == 201, answer.text
    return answer.json()


async def join(client: httpx.AsyncClient, pool: Any, subject: str, **more: Any) -> httpx.Response:
    return await insist(
        client, "/v1/pools/join", {"code": pool["code"], "subject": subject, **more}
    )


async def pour(client: httpx.AsyncClient, pool: Any, subject: str, points: int) -> httpx.Response:
    path = f"/v1/pools/{pool['pool_id']}/contributions"
    return await insist(client, path, {"subject": subject, "points": points})


async def leave(client: httpx.AsyncClient, pool: Any, subject: str) -> httpx.Response:
    return await insist(client, f"/v1/pools/{pool['pool_id']}/leave", {"subject": subject})


async def seen(client: httpx.AsyncClient, pool: Any, subject: str) -> Any:
    path = f"/v1/pools/{pool['pool_id']}?subject={subject}"
    return (await client.get(path)).json()


async def test_a_group_shares_a_tree(
    app: FastAPI, partner: httpx.AsyncClient, public: httpx.AsyncClient
) -> None:
    project = await a_project(app)
    alice, bob = [await with_points(app, PRICE) for _ in range(2)]
    pool = await a_pool(partner, project, alice, display_name="Alice")
    await join(partner, pool, bob)

    await pour(partner, pool, alice, 70)
    last = (await pour(partner, pool, bob, 70)).json()

    assert (last["state"], last["taken"], last["balance"]) == ("complete", 30, 70)
    certificate = (await public.get(last["certificate_url"])).json()
    assert certificate["display_name"] == "Our tree"
    assert certificate["contributors"] == [
        {"display_name": "Alice", "points": 70, "share": "0.7000"},
        {"display_name": None, "points": 30, "share": "0.3000"},
    ]
    assert (await project_of(public, project))["stock_left"] == 9
    for member in (alice, bob):
        person = (await partner.get(f"/v1/people/{member}")).json()
        assert person["trees"] == {"contracted": 0, "planted": 0, "surviving": 0}
        assert person["shared_trees"] == {"contracted": 1, "planted": 0, "surviving": 0}
    assert await notices_of(app, project) == ["certificate.issued"]
    late = await pour(partner, pool, alice, 1)
    assert (late.status_code, late.json()["type"]) == (409, "/problems/pool-ended")
    assert (await leave(partner, pool, alice)).json()["type"] == "/problems/pool-ended"


async def test_many_pour_the_last_points_and_one_completes_it(
    app: FastAPI, partner: httpx.AsyncClient
) -> None:
    project = await a_project(app)
    people = [await with_points(app, 40) for _ in range(20)]
    pool = await a_pool(partner, project, people[0])
    await all_at_once(join(partner, pool, one) for one in people[1:])

    answers = await all_at_once(pour(partner, pool, one, 40) for one in people)

    assert Counter(one.status_code for one in answers) == {201: 3, 409: 17}
    assert sorted(one.json()["taken"] for one in answers if one.status_code == 201) == [20, 40, 40]
    assert sum([await balance_of(partner, one) for one in people]) == 20 * 40 - PRICE
    assert await notices_of(app, project) == ["certificate.issued"]
    assert (await project_of(partner, project))["trees"]["contracted"] == 1
    assert await broken_rules(app) == []


async def test_a_day_has_a_limit_for_each(
    app: FastAPI, partner: httpx.AsyncClient, clock: SteppedClock
) -> None:
    project = await a_project(app)
    alice = await with_points(app, PRICE)
    pool = await a_pool(partner, project, alice, daily_points=30)

    answers = await asyncio.gather(*(pour(partner, pool, alice, 15) for _ in range(5)))
    clock.advance(days=1)
    tomorrow = await pour(partner, pool, alice, 30)

    assert Counter(one.status_code for one in answers) == {201: 2, 409: 3}
    refused = next(one for one in answers if one.status_code == 409).json()
    assert refused["type"] == "/problems/daily-limit-reached"
    assert "0 more today" in refused["detail"]
    assert tomorrow.json()["collected"] == 60


async def test_whoever_leaves_takes_their_points_along(
    app: FastAPI, partner: httpx.AsyncClient
) -> None:
    project = await a_project(app)
    alice, bob = [await with_points(app, PRICE) for _ in range(2)]
    pool = await a_pool(partner, project, alice)
    await join(partner, pool, bob)
    await pour(partner, pool, alice, 40)
    await pour(partner, pool, bob, 20)

    left = (await leave(partner, pool, alice)).json()

    assert (left["returned"], left["balance"], left["collected"]) == (40, PRICE, 20)
    assert (await seen(partner, pool, alice))["type"] == "/problems/pool-not-found"
    last = (await leave(partner, pool, bob)).json()
    assert (last["state"], last["balance"]) == ("dissolved", PRICE)
    assert (await join(partner, pool, alice)).json()["type"] == "/problems/pool-ended"


async def test_a_pool_that_runs_out_of_time_gives_everything_back_once(
    app: FastAPI, partner: httpx.AsyncClient, clock: SteppedClock
) -> None:
    project = await a_project(app)
    people = [await with_points(app, PRICE) for _ in range(4)]
    pool = await a_pool(partner, project, people[0], days=3)
    for one in people[1:]:
        await join(partner, pool, one)
    for one in people:
        await pour(partner, pool, one, 20)

    clock.advance(days=3)
    late = await pour(partner, pool, people[0], 20)
    context = {"resources": app.state.runtime.resources}
    await asyncio.gather(*(end_pools(context) for _ in range(3)))

    assert late.json()["type"] == "/problems/pool-ended"
    assert [await balance_of(partner, one) for one in people] == [PRICE] * 4
    assert (await seen(partner, pool, people[0]))["state"] == "dissolved"
    assert await broken_rules(app) == []


async def test_the_last_points_are_not_taken_when_there_is_no_tree(
    app: FastAPI, partner: httpx.AsyncClient
) -> None:
    project = await a_project(app, stock=1)
    alice, bob = [await with_points(app, PRICE) for _ in range(2)]
    pool = await a_pool(partner, project, alice)
    await pour(partner, pool, alice, 99)
    await order(partner, project, bob)

    answer = await pour(partner, pool, alice, 1)

    assert answer.json()["type"] == "/problems/sold-out"
    assert await balance_of(partner, alice) == 1
    assert (await leave(partner, pool, alice)).json()["balance"] == PRICE


async def test_a_stranger_sees_and_pours_nothing(app: FastAPI, partner: httpx.AsyncClient) -> None:
    project = await a_project(app)
    alice, eve = [await with_points(app, PRICE) for _ in range(2)]
    pool = await a_pool(partner, project, alice)

    assert (await seen(partner, pool, eve))["type"] == "/problems/pool-not-found"
    assert (await pour(partner, pool, eve, 10)).json()["type"] == "/problems/pool-not-found"
    wrong = {**pool, "code": unique("")[1:11].upper()}
    assert (await join(partner, wrong, eve)).json()["type"] == "/problems/pool-not-found"
    typed = {**pool, "code": pool["code"].lower().replace("-", " ")}
    assert (await join(partner, typed, eve)).status_code == 200


async def test_people_find_their_pools(
    app: FastAPI, partner: httpx.AsyncClient, clock: SteppedClock
) -> None:
    project = await a_project(app)
    alice, bob = await with_points(app, PRICE), unique("bob")
    first = await a_pool(partner, project, bob)
    clock.advance(seconds=1)
    second = await a_pool(partner, project, alice)
    await join(partner, first, alice)
    await join(partner, second, bob)
    await pour(partner, first, alice, 30)
    await leave(partner, second, bob)

    page = (await partner.get(f"/v1/people/{alice}/pools?limit=1")).json()
    rest = (await partner.get(f"/v1/people/{alice}/pools?cursor={page['next_cursor']}")).json()

    found = [(one["pool_id"], one["your_points"]) for one in (*page["data"], *rest["data"])]
    assert found == [(second["pool_id"], 0), (first["pool_id"], 30)]
    of_bob = (await partner.get(f"/v1/people/{bob}/pools")).json()["data"]
    assert [one["pool_id"] for one in of_bob] == [first["pool_id"]]

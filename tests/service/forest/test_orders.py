"""Points become trees: no tree is sold twice, nobody pays for nothing."""

import asyncio
from collections import Counter
from collections.abc import Callable

import httpx
from builders import SteppedClock, unique
from fastapi import FastAPI
from grove import (
    PRICE,
    a_crowd,
    a_project,
    all_at_once,
    balance_of,
    broken_rules,
    insist,
    notices_of,
    order,
    ordered,
    person_of,
    project_of,
    with_points,
)
from sqlalchemy import text


async def test_a_tree_costs_its_price_and_has_a_certificate(
    app: FastAPI, partner: httpx.AsyncClient, public: httpx.AsyncClient
) -> None:
    project = await a_project(app)
    alice = await with_points(app, 250)

    placed = await ordered(partner, project, alice)

    assert (placed["points"], placed["balance"], placed["state"]) == (PRICE, 150, "placed")
    assert placed["lot"] == f"{project}-001"
    certificate = (await public.get(placed["certificate_url"])).json()
    assert (certificate["serial"], certificate["state"]) == (placed["serial"], "valid")
    assert certificate["lot"]["trees"] == 1
    found = await project_of(public, project)
    assert found["stock_left"] == 9
    assert found["trees"] == {"contracted": 1, "planted": 0, "surviving": 0}
    person = (await partner.get(f"/v1/people/{alice}")).json()
    assert person["trees"] == {"contracted": 1, "planted": 0, "surviving": 0}
    (entry, _) = (await partner.get(f"/v1/people/{alice}/entries")).json()["data"]
    assert (entry["kind"], entry["points"]) == ("spend", -PRICE)
    assert entry["ref"] == {"order_id": placed["order_id"], "project_id": project}
    assert await notices_of(app, project) == ["order.placed", "certificate.issued"]


async def test_an_order_can_be_read_by_whom_it_belongs_to(
    app: FastAPI,
    partner: httpx.AsyncClient,
    rival: httpx.AsyncClient,
    person: Callable[[str], httpx.AsyncClient],
    clock: SteppedClock,
) -> None:
    project = await a_project(app)
    alice = await with_points(app, 2 * PRICE)
    first = await ordered(partner, project, alice)
    clock.advance(seconds=1)
    second = await ordered(partner, project, alice)
    path = f"/v1/orders/{first['order_id']}"

    async with person(alice) as herself, person(unique("other")) as other:
        assert (await herself.get(path)).json()["serial"] == first["serial"]
        assert (await other.get(path)).json()["type"] == "/problems/order-not-found"
        page = (await herself.get("/v1/people/me/orders?limit=1")).json()
        rest = await herself.get(f"/v1/people/me/orders?cursor={page['next_cursor']}")
    assert (await partner.get(path)).json()["serial"] == first["serial"]
    assert (await rival.get(path)).status_code == 404
    assert [one["order_id"] for one in (*page["data"], *rest.json()["data"])] == [
        second["order_id"],
        first["order_id"],
    ]


async def test_too_few_points_say_how_many_miss(app: FastAPI, partner: httpx.AsyncClient) -> None:
    project = await a_project(app)
    alice = await with_points(app, PRICE - 1)

    answer = await order(partner, project, alice)

    assert (answer.status_code, answer.json()["type"]) == (409, "/problems/not-enough-points")
    assert "1 more are needed" in answer.json()["detail"]
    assert await balance_of(partner, alice) == PRICE - 1
    assert (await project_of(partner, project))["stock_left"] == 10


async def test_a_season_is_asked_for_by_the_day_at_the_place(
    app: FastAPI, partner: httpx.AsyncClient, clock: SteppedClock
) -> None:
    project = await a_project(app, seasons=[{"from": "03-01", "to": "04-30"}])
    alice = await with_points(app, PRICE)

    early = await order(partner, project, alice)
    clock.advance(days=258, hours=11, minutes=59)  # 2027-02-28, a minute before midnight in China
    last_minute = await order(partner, project, alice)
    clock.advance(minutes=1)
    in_time = await order(partner, project, alice)

    assert (early.status_code, early.json()["type"]) == (409, "/problems/out-of-season")
    assert "The next season is 2027-03-01" in early.json()["detail"]
    assert last_minute.status_code == 409
    assert in_time.status_code == 201


async def test_a_closed_project_sells_nothing(
    app: FastAPI, partner: httpx.AsyncClient, admin: httpx.AsyncClient
) -> None:
    project = await a_project(app)
    alice = await with_points(app, PRICE)
    await admin.patch(f"/v1/admin/projects/{project}", json={"is_open": False})

    answer = await order(partner, project, alice)

    assert (answer.status_code, answer.json()["type"]) == (409, "/problems/out-of-season")
    assert await balance_of(partner, alice) == PRICE


async def test_the_same_key_buys_one_tree(app: FastAPI, partner: httpx.AsyncClient) -> None:
    project = await a_project(app)
    alice = await with_points(app, 5 * PRICE)
    body, headers = {"project_id": project, "subject": alice}, {"Idempotency-Key": unique("key")}

    answers = await asyncio.gather(
        *(partner.post("/v1/orders", json=body, headers=headers) for _ in range(5))
    )

    assert {one.status_code for one in answers} == {201}
    assert len({one.json()["serial"] for one in answers}) == 1
    assert await balance_of(partner, alice) == 4 * PRICE
    other = await partner.post(
        "/v1/orders", json={**body, "display_name": "Alice"}, headers=headers
    )
    assert other.json()["type"] == "/problems/idempotency-key-reused"


async def test_five_hundred_race_for_a_hundred_trees(
    app: FastAPI, partner: httpx.AsyncClient
) -> None:
    project = await a_project(app, stock=100)
    people = await a_crowd(app, 500, PRICE)

    answers = await all_at_once(order(partner, project, one) for one in people)

    assert Counter(one.status_code for one in answers) == {201: 100, 409: 400}
    assert {one.json().get("type") for one in answers} == {None, "/problems/sold-out"}
    found = await project_of(partner, project)
    assert (found["stock_left"], found["trees"]["contracted"]) == (0, 100)
    told = Counter(await notices_of(app, project))
    assert told == {"order.placed": 100, "certificate.issued": 100, "project.sold_out": 1}
    async with app.state.runtime.resources.sessions() as session:
        held = await session.execute(
            text("SELECT count(*), sum(balance) FROM account WHERE person_id = ANY(:ids)"),
            {"ids": [person_of(one).id for one in people]},
        )
        assert held.one() == (500, 400 * PRICE)
    assert await broken_rules(app) == []


async def test_one_person_who_races_with_themselves_spends_what_they_have(
    app: FastAPI, partner: httpx.AsyncClient
) -> None:
    project = await a_project(app, stock=100)
    alice = await with_points(app, 3 * PRICE + 50)

    answers = await asyncio.gather(*(order(partner, project, alice) for _ in range(12)))

    assert Counter(one.status_code for one in answers) == {201: 3, 409: 9}
    assert await balance_of(partner, alice) == 50


async def test_selling_out_is_told_again_after_a_refund(
    app: FastAPI, partner: httpx.AsyncClient
) -> None:
    project = await a_project(app, stock=2)
    alice = await with_points(app, 10 * PRICE)

    placed = [await ordered(partner, project, alice) for _ in range(2)]
    await insist(partner, f"/v1/orders/{placed[0]['order_id']}/refund", {})
    await ordered(partner, project, alice)

    assert (await notices_of(app, project)).count("project.sold_out") == 2
    assert (await order(partner, project, alice)).json()["type"] == "/problems/sold-out"


async def test_a_refund_gives_points_and_tree_back_once(
    app: FastAPI, partner: httpx.AsyncClient, public: httpx.AsyncClient
) -> None:
    project = await a_project(app, stock=1)
    alice = await with_points(app, PRICE)
    placed = await ordered(partner, project, alice)
    path = f"/v1/orders/{placed['order_id']}/refund"

    answers = await asyncio.gather(*(insist(partner, path, {}) for _ in range(6)))

    assert {one.status_code for one in answers} == {200}
    assert {one.json()["state"] for one in answers} == {"refunded"}
    assert await balance_of(partner, alice) == PRICE
    assert (await project_of(public, project))["stock_left"] == 1
    certificate = (await public.get(placed["certificate_url"])).json()
    assert (certificate["state"], certificate["lot"]["trees"]) == ("void", 0)
    assert (await partner.get(f"/v1/people/{alice}")).json()["trees"]["contracted"] == 0
    assert (await notices_of(app, project)).count("order.refunded") == 1


async def test_a_name_is_shown_only_as_long_as_its_owner_wants(
    app: FastAPI, partner: httpx.AsyncClient, public: httpx.AsyncClient
) -> None:
    project = await a_project(app)
    alice = await with_points(app, PRICE)
    placed = await ordered(partner, project, alice)

    async def shown() -> str | None:
        return (await public.get(placed["certificate_url"])).json()["display_name"]

    path = f"/v1/orders/{placed['order_id']}"
    assert await shown() is None
    await partner.patch(path, json={"display_name": "Alice & 梅"})
    assert await shown() == "Alice & 梅"
    await partner.patch(path, json={"display_name": None})
    assert await shown() is None


async def test_wrong_orders_are_refused(
    app: FastAPI, partner: httpx.AsyncClient, person: Callable[[str], httpx.AsyncClient]
) -> None:
    project = await a_project(app)
    alice = await with_points(app, PRICE)

    async with person(alice) as herself:
        own = await herself.post("/v1/orders", json={"project_id": project})
        others = await herself.post("/v1/orders", json={"project_id": project, "subject": "bob"})
    nobody = await partner.post("/v1/orders", json={"project_id": project})
    nowhere = await order(partner, "nowhere", alice)
    control = await partner.post(
        "/v1/orders", json={"project_id": project, "subject": alice, "display_name": "a\nb"}
    )

    assert own.status_code == 201
    assert others.json()["type"] == "/problems/subject-not-yours"
    assert nobody.json()["errors"] == [{"pointer": "/subject", "detail": "is missing"}]
    assert nowhere.json()["type"] == "/problems/project-not-found"
    assert control.json()["errors"][0]["pointer"] == "/body/display_name"

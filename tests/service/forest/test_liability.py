"""Promised points against the trees and the money there are for them."""

import httpx
from builders import NewSettings, SteppedClock, a_partner, client_of, running_app, unique
from grove import a_project, insist, ordered, with_points


async def test_outstanding_points_are_valued_in_trees_and_money(
    new_settings: NewSettings, clock: SteppedClock
) -> None:
    async with running_app(await new_settings(), clock) as app:
        keys = await a_partner(app.state.runtime.resources.sessions, scopes=("admin",))
        async with client_of(app, keys.key) as admin:
            budget = {"currency": "CNY", "budget_cents": 20_000, "cost_cents": 2_000}
            project = await a_project(app, stock=20, **budget)
            alice = await with_points(app, 600)
            placed = await ordered(admin, project, alice)
            await admin.post(f"/v1/admin/lots/{placed['lot']}/fund")
            pooled = {"project_id": project, "subject": alice, "name": "x"}
            pool = (await insist(admin, "/v1/pools", pooled)).json()
            poured = {"subject": alice, "points": 50}  # still promised, and out of the balance
            path = f"/v1/pools/{pool['pool_id']}/contributions"
            assert (await insist(admin, path, poured)).is_success

            async def found() -> dict:
                return (await admin.get("/v1/admin/liability")).json()

            calm = await found()
            await with_points(app, 221)
            alarmed = await found()
            await admin.patch(
                f"/v1/admin/projects/{project}", json={"budget": {**budget, "budget_cents": 40_000}}
            )
            relieved = await found()
            shown = (await admin.get("/metrics")).text

    (one,) = calm["projects"]
    assert calm["outstanding_points"] == 500
    assert (one["trees_outstanding"], one["outstanding_cents"]) == (5, 10_000)
    assert (one["contracted_cents"], one["spent_cents"], one["budget_left_cents"]) == (
        2_000,
        2_000,
        18_000,
    )
    assert (one["trees_payable"], calm["covered_points"]) == (9, 900)
    assert (calm["covered_pct"], calm["alarm"]) == (55, False)
    assert (alarmed["outstanding_points"], alarmed["alarm"]) == (721, True)
    assert (relieved["covered_points"], relieved["alarm"]) == (1_900, False)
    assert "saxaul_points_outstanding 721.0" in shown
    assert "saxaul_liability_alarm 0.0" in shown


async def test_a_stock_is_never_cut_below_what_is_sold(
    app, partner: httpx.AsyncClient, admin: httpx.AsyncClient
) -> None:
    project = await a_project(app, stock=5)
    alice = await with_points(app, 300)
    for _ in range(3):
        await ordered(partner, project, alice)
    path = f"/v1/admin/projects/{project}"

    below = await admin.patch(path, json={"stock": 2})
    even = await admin.patch(path, json={"stock": 3})

    assert below.json()["errors"] == [{"pointer": "/stock", "detail": "must be 3 or more"}]
    assert even.status_code == 200
    answer = await insist(partner, "/v1/orders", {"project_id": project, "subject": alice})
    assert answer.json()["type"] in ("/problems/sold-out", "/problems/not-enough-points")
    assert (await partner.get(f"/v1/projects/{project}")).json()["stock_left"] == 0


async def test_the_catalogue_grows_by_the_administrators_hand(
    admin: httpx.AsyncClient, public: httpx.AsyncClient
) -> None:
    name = unique("poplar")[:30]
    species = {
        "species": name, "scientific_name": "Populus euphratica", "local_name": "胡杨",
        "english_name": "Desert poplar", "price_points": 215_680, "price_source": "a test",
    }  # fmt: skip
    project = {
        "project_id": name, "name": "Poplars", "species": name, "place": "Ejin", "region": "CN-NM",
        "planting_partner": "Green hands", "opens_on": "2026-01-01", "closes_on": "2030-01-01",
        "seasons": [{"from": "03-01", "to": "04-01"}], "stock": 70,
    }  # fmt: skip

    first = await insist(admin, "/v1/admin/species", species)
    again = await insist(admin, "/v1/admin/species", species)
    offered = await insist(admin, "/v1/admin/projects", project)
    wrong = await insist(
        admin, "/v1/admin/projects", {**project, "seasons": [{"from": "02-29", "to": "03-01"}]}
    )
    changed = await admin.patch(f"/v1/admin/projects/{name}", json={"seasons": [], "stock": 71})

    assert (first.status_code, again.json()["type"]) == (201, "/problems/name-taken")
    assert offered.status_code == 201
    assert wrong.json()["errors"][0]["pointer"] == "/body/seasons"
    assert changed.status_code == 200
    found = (await public.get(f"/v1/projects/{name}")).json()
    assert (found["price_points"], found["stock_left"], found["in_season"]) == (215_680, 71, True)

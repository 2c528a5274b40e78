"""Whatever people, partners and the calendar do, the forest does what a plain model does."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import httpx
import pytest
from builders import NOW, SteppedClock, unique
from fastapi import FastAPI
from grove import a_project, balance_of, broken_rules, insist, project_of, with_points
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

PRICE, STOCK, START, DAILY = 100, 4, 250, 60
PEOPLE = 3
SEASON = [{"from": "06-15", "to": "06-20"}, {"from": "06-25", "to": "06-30"}]
who = st.integers(0, PEOPLE - 1)
STEPS = st.one_of(
    st.tuples(st.just("order"), who),
    st.tuples(st.just("refund"), st.integers(0, 5)),
    st.tuples(st.just("found"), who),
    st.tuples(st.just("join"), who),
    st.tuples(st.just("pour"), who, st.sampled_from([30, 60, 70])),
    st.tuples(st.just("leave"), who),
    st.tuples(st.just("fund")),
    st.tuples(st.just("plant")),
    st.tuples(st.just("wait"), st.integers(1, 4)),
)


class Model:
    """What should be: plain numbers, no clever code."""

    def __init__(self) -> None:
        self.balance = [START] * PEOPLE
        self.day = 0
        self.orders: list[dict[str, Any]] = []
        self.pool: dict[str, Any] | None = None
        self.pooled_trees = 0
        self.lot, self.states = 1, {1: "pledged"}
        self.in_lot: dict[int, int] = {1: 0}

    @property
    def in_season(self) -> bool:
        return self.day <= 5 or 10 <= self.day <= 15

    @property
    def sold(self) -> int:
        return sum(not one["refunded"] for one in self.orders) + self.pooled_trees

    @property
    def is_running(self) -> bool:
        assert self.pool is not None
        return self.pool["open"] and self.day < self.pool["until"]

    def order(self, person: int) -> int:
        if not self.in_season or self.sold >= STOCK or self.balance[person] < PRICE:
            return 409
        self.balance[person] -= PRICE
        self.orders.append({"person": person, "lot": self.lot, "refunded": False})
        self.in_lot[self.lot] += 1
        return 201

    def refund(self, number: int) -> int | None:
        if number >= len(self.orders):
            return None
        order = self.orders[number]
        if order["refunded"]:
            return 200
        if self.states[order["lot"]] == "planted":
            return 409
        order["refunded"] = True
        self.in_lot[order["lot"]] -= 1
        self.balance[order["person"]] += PRICE
        return 200

    def found(self, person: int) -> int | None:
        if self.pool is not None and self.is_running:
            return None  # one at a time keeps the model plain
        if not self.in_season:
            return 409
        until = self.day + 30
        self.pool = {"open": True, "until": until, "held": {person: 0}, "today": {}}
        return 201

    def join(self, person: int) -> int | None:
        if self.pool is None:
            return None
        if not self.is_running:
            return 409
        self.pool["held"].setdefault(person, 0)
        return 200

    def pour(self, person: int, points: int) -> int | None:
        pool = self.pool
        if pool is None:
            return None
        if person not in pool["held"]:
            return 404
        if not self.is_running:
            return 409
        missing = PRICE - sum(pool["held"].values())
        points = min(points, missing)
        today = pool["today"].get((self.day, person), 0)
        if today + points > DAILY or self.balance[person] < points:
            return 409
        if points == missing:
            if not self.in_season or self.sold >= STOCK:
                return 409
            pool["open"] = False
            self.pooled_trees += 1
            self.in_lot[self.lot] += 1
        pool["today"][self.day, person] = today + points
        pool["held"][person] += points
        self.balance[person] -= points
        return 201

    def leave(self, person: int) -> int | None:
        pool = self.pool
        if pool is None:
            return None
        if person not in pool["held"]:
            return 404
        if not self.is_running:
            return 409
        self.balance[person] += pool["held"].pop(person)
        pool["open"] = bool(pool["held"])
        return 200

    def fund(self) -> int:
        if not self.in_lot[self.lot]:
            return 409
        self.states[self.lot] = "funded"
        self.lot += 1
        self.states[self.lot], self.in_lot[self.lot] = "pledged", 0
        return 200

    def plant(self) -> int | None:
        lot = self.lot - 1
        if not lot:
            return None
        if self.states[lot] == "planted" or not self.in_lot[lot]:
            return 422
        self.states[lot] = "planted"
        return 200

    def wait(self, days: int) -> None:
        self.day += days


class Forest:
    """The same steps, for real."""

    def __init__(
        self, partner: httpx.AsyncClient, admin: httpx.AsyncClient, clock: SteppedClock,
        project: str, people: list[str],
    ) -> None:  # fmt: skip
        self.partner, self.admin, self.clock = partner, admin, clock
        self.project, self.people = project, people
        self.orders: list[str] = []
        self.pool: dict[str, Any] = {}
        self.lot = 1
        self.days = 0

    async def _post(self, path: str, **body: Any) -> httpx.Response:
        return await insist(self.partner, path, body)

    async def order(self, person: int) -> int:
        answer = await self._post(
            "/v1/orders", project_id=self.project, subject=self.people[person]
        )
        if answer.status_code == 201:
            self.orders.append(answer.json()["order_id"])
        return answer.status_code

    async def refund(self, number: int) -> int:
        return (await self._post(f"/v1/orders/{self.orders[number]}/refund")).status_code

    async def found(self, person: int) -> int:
        answer = await self._post(
            "/v1/pools", project_id=self.project, subject=self.people[person], name="Ours",
            daily_points=DAILY,
        )  # fmt: skip
        if answer.status_code == 201:
            self.pool = answer.json()
        return answer.status_code

    async def join(self, person: int) -> int:
        answer = await self._post(
            "/v1/pools/join", code=self.pool["code"], subject=self.people[person]
        )
        return answer.status_code

    async def pour(self, person: int, points: int) -> int:
        path = f"/v1/pools/{self.pool['pool_id']}/contributions"
        return (await self._post(path, subject=self.people[person], points=points)).status_code

    async def leave(self, person: int) -> int:
        path = f"/v1/pools/{self.pool['pool_id']}/leave"
        return (await self._post(path, subject=self.people[person])).status_code

    async def fund(self) -> int:
        answer = await self.admin.post(f"/v1/admin/lots/{self.project}-{self.lot:03}/fund")
        self.lot += answer.status_code == 200
        return answer.status_code

    async def plant(self) -> int:
        lot = f"/v1/admin/lots/{self.project}-{self.lot - 1:03}"
        trees = (await self.admin.get(lot)).json()["trees"]
        on = (NOW + timedelta(days=self.days)).date().isoformat()
        body = {"state": "planted", "on": on, "by": "somebody", "planted": trees}
        answer = await self.admin.post(f"{lot}/reports", json={**body, "note": unique("note")})
        return answer.status_code

    async def wait(self, days: int) -> None:
        self.days += days
        self.clock.now = NOW + timedelta(days=self.days)


@pytest.mark.timeout(240)
async def test_the_forest_is_what_the_model_says(
    app: FastAPI, partner: httpx.AsyncClient, admin: httpx.AsyncClient, clock: SteppedClock
) -> None:
    async def walk(steps: list[tuple[Any, ...]]) -> None:
        clock.now = NOW
        project = await a_project(app, stock=STOCK, price=PRICE, seasons=SEASON)
        people = [await with_points(app, START) for _ in range(PEOPLE)]
        model, forest = Model(), Forest(partner, admin, clock, project, people)
        for name, *given_ in steps:
            said: Callable[..., int | None] = getattr(model, name)
            done: Callable[..., Awaitable[int | None]] = getattr(forest, name)
            expected = said(*given_)
            if expected is None and name != "wait":
                continue
            assert await done(*given_) == expected, (name, *given_)
        assert [await balance_of(partner, one) for one in people] == model.balance
        found = await project_of(partner, project)
        assert found["trees"]["contracted"] == model.sold
        assert found["stock_left"] == STOCK - model.sold
        planted = sum(model.in_lot[lot] for lot in model.states if model.states[lot] == "planted")
        assert found["trees"]["planted"] == planted

    loop = asyncio.get_running_loop()

    @settings(
        max_examples=10,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.lists(STEPS, min_size=5, max_size=20))
    def explore(steps: list[tuple[Any, ...]]) -> None:
        asyncio.run_coroutine_threadsafe(walk(steps), loop).result()

    await asyncio.to_thread(explore)
    assert await broken_rules(app) == []

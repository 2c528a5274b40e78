"""Points of actions are pending while an account is new: invented people plant and give nothing."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from builders import (
    SOURCES,
    NewSettings,
    SteppedClock,
    a_partner,
    a_ride,
    client_of,
    in_china,
    report,
    running_app,
    unique,
)
from grove import a_project

NOON = datetime(2026, 12, 10, 4, 0, tzinfo=UTC)


@dataclass
class Town:
    client: httpx.AsyncClient
    clock: SteppedClock
    project: str

    async def ride(self, subject: str) -> str:
        """A ride of now, and the next morning its points are collected; the action's id."""
        done = await report(self.client, a_ride(subject=subject, time=in_china(self.clock.now)))
        self.clock.advance(hours=24)
        collected = await self.client.post(f"/v1/people/{subject}/collect")
        assert collected.json()["points"] == 794, collected.text
        return str(done["action_id"])

    async def post(self, path: str, **body: object) -> httpx.Response:
        return await self.client.post(
            f"/v1/{path}", json=body, headers={"Idempotency-Key": unique("key")}
        )

    async def points(self, subject: str) -> dict[str, object]:
        found: dict[str, object] = (await self.client.get(f"/v1/people/{subject}")).json()
        return dict(found["points"])  # type: ignore[call-overload]  # JSON

    async def friends(self, one: str, other: str) -> str:
        asked = (await self.post(f"people/{one}/friends", subject=other)).json()["friendship_id"]
        assert (await self.post(f"people/{other}/friends/{asked}/accept")).is_success
        return str(asked)


@pytest.fixture
async def town(new_settings: NewSettings) -> AsyncIterator[Town]:
    clock = SteppedClock()
    clock.now = NOON
    async with running_app(await new_settings(), clock) as app:
        sessions = app.state.runtime.resources.sessions
        project = await a_project(app)
        sender = await a_partner(sessions, sources=SOURCES, scopes=("admin",))
        async with client_of(app, sender.key) as client:
            yield Town(client, clock, project)


def is_pending(answer: httpx.Response) -> bool:
    assert answer.status_code == 409, answer.text
    assert answer.json()["type"] == "/problems/points-pending"
    assert "pending until 2026-12-17: the account is new" in answer.json()["detail"]
    return True


async def test_nothing_leaves_a_new_account(town: Town) -> None:
    """Earn, water a friend, have the ride reversed: the friend kept what was given."""
    ann, ben = unique("ann"), unique("ben")
    asked = await town.friends(ann, ben)
    await town.ride(ann)
    await report(town.client, a_ride(subject=ann, time=in_china(town.clock.now)))
    tree = {"project_id": town.project, "subject": ann}
    pool = (await town.post("pools", name="Ours", **tree)).json()["pool_id"]

    assert is_pending(await town.post("orders", **tree))
    assert is_pending(await town.post(f"pools/{pool}/contributions", subject=ann, points=100))
    assert is_pending(await town.post(f"people/{ann}/friends/{asked}/water", points=18))
    assert is_pending(await town.post(f"people/{ann}/shield"))
    town.clock.advance(hours=23)
    assert is_pending(await town.post(f"people/{ben}/friends/{asked}/take"))
    points = await town.points(ann)
    assert (points["balance"], points["pending"]) == (794, 794)
    assert "pending until 2026-12-17: the account is new" in str(points["pending_said"])


async def test_a_week_makes_an_account_old_enough(town: Town) -> None:
    ann = unique("ann")
    await town.ride(ann)
    town.clock.now = NOON + timedelta(days=7) - timedelta(seconds=1)
    assert is_pending(await town.post("orders", project_id=town.project, subject=ann))

    town.clock.now = NOON + timedelta(days=7)

    assert (await town.post("orders", project_id=town.project, subject=ann)).status_code == 201
    assert ((await town.points(ann))["pending"], (await town.points(ann))["pending_said"]) == (
        0, None,
    )  # fmt: skip


async def test_actions_on_three_days_do_too(town: Town) -> None:
    ann = unique("ann")
    await town.ride(ann)
    await town.ride(ann)
    assert is_pending(await town.post("orders", project_id=town.project, subject=ann))

    await town.ride(ann)

    assert (await town.post("orders", project_id=town.project, subject=ann)).status_code == 201


async def test_what_was_granted_is_not_pending(town: Town) -> None:
    ann = unique("ann")
    await town.ride(ann)
    await town.post(f"people/{ann}/grants", points=300, reason="a test")

    order = await town.post("orders", project_id=town.project, subject=ann)

    assert order.status_code == 201
    assert (await town.points(ann))["balance"] == order.json()["balance"]


async def test_a_thousand_invented_people_plant_nothing_at_once(town: Town) -> None:
    crowd = [unique("invented") for _ in range(20)]
    for one in crowd:
        await report(town.client, a_ride(subject=one, time=in_china(town.clock.now)))
    town.clock.advance(hours=24)

    for one in crowd:
        await town.client.post(f"/v1/people/{one}/collect")
        assert is_pending(await town.post("orders", project_id=town.project, subject=one))

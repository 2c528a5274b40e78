"""Claims of the world and of reporters, and what follows when two reports of one thing meet."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from builders import (
    LEAVE_OUT,
    SOURCES,
    USUAL,
    NewSettings,
    SteppedClock,
    a_partner,
    a_ride,
    a_token,
    an_order,
    catch_up,
    client_of,
    execute,
    report,
    report_all,
    running_app,
    unique,
)
from fastapi import FastAPI
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from service.intake.claim_key import ClaimKeys
from service.reconciliation.claims import ClaimReader
from service.reconciliation.reconcile import Check, reconcile
from service.totals.counters import Counters
from workers.meetings import Meetings
from workers.metrics import WorkerMetrics

OTHER = {"source": "other-metro"}


@dataclass
class Scene:
    """Two partners, a person's token, and the worker's loop, which is run by hand."""

    app: FastAPI
    acme: httpx.AsyncClient
    other: httpx.AsyncClient
    mei: httpx.AsyncClient
    clock: SteppedClock

    async def settle(self) -> int:
        metrics = WorkerMetrics()
        settled = await Meetings(self.app.state.runtime.resources, metrics).step()
        assert not any(one.value for one in metrics.faults.collect()[0].samples)
        return settled

    async def action(self, client: httpx.AsyncClient, result: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = (await client.get(f"/v1/actions/{result['action_id']}")).json()
        return found

    async def levels(self) -> dict[str, int]:
        await catch_up(self.app)
        rows = (await self.acme.get("/v1/totals")).json()["by_evidence_level"]
        return {one["evidence_level"]: int(one["avoided_mg"]) for one in rows}

    async def broken(self) -> list[Check]:
        await catch_up(self.app)
        runtime = self.app.state.runtime
        assessor = runtime.intake.assessor
        keys = ClaimKeys(assessor.hasher, assessor.catalogue.claim_kinds)
        sessions = runtime.resources.sessions
        counters = Counters(runtime.resources.valkey, sessions)
        checks = await reconcile(sessions, counters, ClaimReader(assessor.catalogue, keys))
        return [one for one in checks if not one.holds]


@pytest.fixture
async def scene(new_settings: NewSettings, home: Any) -> AsyncIterator[Scene]:
    clock, settings = SteppedClock(), await new_settings()
    async with running_app(settings, clock) as app:
        sessions = app.state.runtime.resources.sessions
        acme = await a_partner(sessions, name="acme", sources=SOURCES)
        other = await a_partner(sessions, sources=("other-metro", "other-eats"), scopes=USUAL)
        async with (
            client_of(app, acme.key) as one,
            client_of(app, other.key) as two,
            client_of(app, a_token(home, "mei")) as mei,
        ):
            yield Scene(app, one, two, mei, clock)


def declared(event: dict[str, Any]) -> dict[str, Any]:
    """The event as its person declares it."""
    return {**event, "subject": "me", "source": "app"}


async def test_two_shops_with_one_order_number_do_not_meet(scene: Scene) -> None:
    number = {"order_id": "77001"}

    first = await report(scene.acme, an_order(number))
    second = await report(scene.other, an_order(number, source="other-eats"))
    again = await report(scene.acme, an_order(number))

    assert [one["outcome"] for one in (first, second, again)] == [
        "credited", "credited", "already_claimed",
    ]  # fmt: skip
    assert await scene.broken() == []


async def test_a_person_does_not_block_the_shop_s_own_order(scene: Scene) -> None:
    number = {"order_id": "77002"}

    mine = await report(scene.mei, declared(an_order(number)))
    real = await report(scene.acme, an_order(number))

    assert (mine["outcome"], real["outcome"]) == ("credited", "credited")
    assert await scene.settle() == 0
    assert await scene.broken() == []


async def test_a_partner_s_own_record_takes_a_ride_from_who_declared_it(scene: Scene) -> None:
    ride = a_ride()
    mine = await report(scene.mei, declared(ride))

    real = await report(scene.acme, ride)
    before = await scene.action(scene.mei, mine)
    settled = [await scene.settle() for _ in range(2)]

    after = await scene.action(scene.mei, mine)
    assert (real["outcome"], real["points"], before["reversal"]) == ("credited", 794, None)
    assert settled == [1, 0]
    assert (after["reversal"]["reason"], after["reversal"]["points"]) == ("superseded", 794)
    assert (await scene.mei.get("/v1/people/me")).json()["points"]["ripening"] == 0
    assert await scene.levels() == {"L1": 794592}
    assert await scene.broken() == []


async def test_a_person_never_takes_a_ride_from_a_partner(scene: Scene) -> None:
    ride = a_ride()
    await report(scene.acme, ride)

    mine = await report(scene.mei, declared(ride))

    assert (mine["outcome"], mine["points"]) == ("already_claimed", 0)
    assert await scene.settle() == 0


async def test_both_in_one_batch_end_alike(scene: Scene) -> None:
    trip = {"trip_id": unique("trip")}

    subject = unique("person")  # one person's events are committed by one lane, in their order

    low, high = await report_all(
        scene.acme,
        [a_ride(trip, subject=subject, evidencelevel="L0"), a_ride(trip, subject=subject)],
    )
    await scene.settle()

    assert (low["outcome"], high["outcome"]) == ("credited", "credited")
    assert (await scene.action(scene.acme, low))["reversal"]["reason"] == "superseded"
    assert await scene.broken() == []


async def test_an_event_that_loses_one_claim_gives_back_the_other(scene: Scene) -> None:
    one, two, three = unique("trip"), unique("trip"), unique("trip")
    several = {"trip_id": LEAVE_OUT, "trips": 2}
    await report(scene.acme, a_ride({"trip_id": one}))

    lost, free = await report_all(
        scene.acme,
        [
            a_ride({**several, "trip_ids": [one, two]}),
            a_ride({**several, "trip_ids": [two, three]}),
        ],
    )

    assert (lost["outcome"], free["outcome"]) == ("already_claimed", "credited")
    assert await scene.broken() == []


async def test_a_second_partner_s_report_makes_it_l2(scene: Scene) -> None:
    ride = a_ride()
    first = await report(scene.acme, ride)

    second = await report(scene.other, {**ride, **OTHER})
    settled = [await scene.settle() for _ in range(2)]

    assert (second["outcome"], second["points"], settled) == ("already_claimed", 0, [1, 0])
    one = await scene.action(scene.acme, first)
    two = await scene.action(scene.other, second)
    assert one["corroboration"] == {"action_id": second["action_id"], "first": True}
    assert two["corroboration"] == {"action_id": first["action_id"], "first": False}
    receipt = (await scene.acme.get(f"/v1/actions/{first['action_id']}/receipt")).json()
    assert receipt["status"]["corroborated_by"] == second["action_id"]
    assert one["evidence_level"] == "L1", "what was stated stays"
    assert await scene.levels() == {"L2": 794592}
    assert await scene.broken() == []


@pytest.mark.parametrize(
    "changes",
    [
        {"source": "bus"},  # the same partner
        {**OTHER, "time": "2026-06-14T08:30:00+08:00"},
        {**OTHER, "type": "transit.bus"},
        {**OTHER, "evidencelevel": "L0"},
    ],
)
async def test_what_is_not_independent_corroborates_nothing(
    scene: Scene, changes: dict[str, Any]
) -> None:
    ride = a_ride()
    first = await report(scene.acme, ride)
    client = scene.acme if changes["source"] == "bus" else scene.other

    await report(client, {**ride, "id": unique("event"), **changes})
    await scene.settle()

    assert (await scene.action(scene.acme, first))["corroboration"] is None
    assert await scene.levels() == {"L1": 794592}
    assert await scene.broken() == []


async def test_what_becomes_of_corroborated_carbon_is_taken_from_l2(scene: Scene) -> None:
    rides = [a_ride(), a_ride(), a_ride()]
    gone, sold, _ = await report_all(scene.acme, rides)
    await report_all(scene.other, [{**ride, **OTHER} for ride in rides])
    assert await scene.settle() == 3

    path = f"/v1/actions/{gone['action_id']}/reversal"
    assert (await scene.acme.post(path, json={"reason": "refund"})).status_code == 201
    to = {"scheme": "beijing-maas", "reference": "Q1"}
    path = f"/v1/actions/{sold['action_id']}/transfer"
    assert (await scene.acme.post(path, json=to)).status_code == 201

    assert await scene.levels() == {"L2": 794592}
    assert await scene.broken() == []


async def test_two_workers_settle_each_meeting_once(scene: Scene) -> None:
    rides = [a_ride() for _ in range(6)]
    await report_all(scene.mei, [declared(ride) for ride in rides[:3]])
    await report_all(scene.acme, rides)
    await report_all(scene.other, [{**ride, **OTHER} for ride in rides])

    settled = await asyncio.gather(*(scene.settle() for _ in range(3)))

    assert sum(settled) == 9
    assert await scene.levels() == {"L2": 6 * 794592}
    assert await scene.broken() == []


async def test_a_fault_between_fact_and_commit_leaves_the_meeting(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    ride = a_ride()
    mine = await report(scene.mei, declared(ride))
    await report(scene.acme, ride)

    with monkeypatch.context() as patch:
        patch.setattr("service.actions.meetings._REMOVE", text("SELECT 1 / 0"))
        loop = Meetings(scene.app.state.runtime.resources, WorkerMetrics())
        with pytest.raises(DBAPIError):
            await loop.step()
    assert (await scene.action(scene.mei, mine))["reversal"] is None

    assert await scene.settle() == 1
    assert (await scene.action(scene.mei, mine))["reversal"]["reason"] == "superseded"
    assert await scene.broken() == []


async def test_a_planted_double_credit_is_found(scene: Scene) -> None:
    ride = a_ride()
    await report(scene.acme, ride)
    url = scene.app.state.runtime.resources.settings.database_url
    await execute(url, "UPDATE claim SET claim_key = gen_random_uuid()")
    await report(scene.acme, {**ride, "id": unique("event")})

    assert [one.rule for one in await scene.broken()] == ["a credited action owns its claims"]


async def test_an_order_of_the_released_version_is_still_taken(scene: Scene) -> None:
    """It kept what only its reporter knows under the key of the world, without owner and level."""
    order = an_order()
    await report(scene.acme, order)
    assessor = scene.app.state.runtime.intake.assessor
    old = assessor.hasher(b"claim\0", f"cutlery.order:{order['data']['order_id']}")
    url = scene.app.state.runtime.resources.settings.database_url
    await execute(
        url,
        f"UPDATE claim SET bucket = {old.bucket}, claim_key = '{old.id}',"
        " owner = NULL, level = NULL",
    )

    again = await report(scene.acme, {**order, "id": unique("event")})
    another = await report(scene.other, {**order, "source": "other-eats"})

    assert (again["outcome"], another["outcome"]) == ("already_claimed", "credited")
    assert await scene.broken() == []


async def test_a_ride_of_the_released_version_is_still_taken(scene: Scene) -> None:
    ride = a_ride()
    await report(scene.acme, ride)
    url = scene.app.state.runtime.resources.settings.database_url
    await execute(url, "UPDATE claim SET owner = NULL, level = NULL")

    second = await report(scene.other, {**ride, **OTHER})
    mine = await report(scene.mei, declared(ride))

    assert (second["outcome"], mine["outcome"]) == ("already_claimed", "already_claimed")
    assert await scene.settle() == 1
    assert await scene.levels() == {"L2": 794592}
    assert await scene.broken() == []

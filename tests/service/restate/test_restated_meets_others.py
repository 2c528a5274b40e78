"""An action that is transferred or held, restated and reversed: every sum holds after each step."""

from datetime import UTC, datetime
from itertools import permutations
from typing import Any

import httpx
import pytest
from builders import a_ride, catch_up
from fastapi import FastAPI
from restate_versions import CLOSED_DAY, NEW_MG, OLD_MG, a_closed_ride, restated, send

from methodologies.plausible import load_plausible
from service.guards.watch import watch
from service.reconciliation.reconcile import reconcile
from service.totals.counters import Counters

EVER = datetime(2000, 1, 1, tzinfo=UTC)


async def assert_reconciled(app: FastAPI) -> None:
    await catch_up(app)
    resources = app.state.runtime.resources
    checks = await reconcile(resources.sessions, Counters(resources.valkey, resources.sessions))
    assert [one for one in checks if not one.holds] == []


async def totals_of(client: httpx.AsyncClient) -> dict[str, int]:
    """Milligrams in the total and kept apart, by why."""
    totals = (await client.get("/v1/totals")).json()
    apart = {row["why"]: int(row["avoided_mg"]) for row in totals["kept_apart"]}
    return {"counted": int(totals["avoided_mg"]), **apart}


async def do(app: FastAPI, client: httpx.AsyncClient, step: str, action_id: str) -> None:
    bodies: dict[str, dict[str, Any]] = {
        "transfer": {"scheme": "another", "reference": "1"},
        "reversal": {"reason": "refund"},
    }
    if step == "restate":
        await restated(app)
    else:
        answer = await client.post(f"/v1/actions/{action_id}/{step}", json=bodies[step])
        assert answer.status_code == 201, answer.text


@pytest.mark.parametrize(
    "steps",
    [
        steps
        for steps in permutations(("transfer", "restate", "reversal"))
        if steps.index("transfer") < steps.index("reversal")
    ],
    ids="-".join,
)
async def test_transferred_restated_and_reversed_in_any_order(
    programme: FastAPI, reporter: httpx.AsyncClient, steps: tuple[str, ...]
) -> None:
    moved, kept = await send(reporter, [a_closed_ride(a_ride), a_closed_ride(a_ride)])
    value_mg, scope = OLD_MG, "counted"
    other_mg = OLD_MG
    for step in steps:
        await do(programme, reporter, step, moved["action_id"])
        if step == "restate":
            other_mg = NEW_MG
            value_mg = NEW_MG if value_mg else 0
        elif step == "transfer":
            scope = "transferred"
        else:
            value_mg = 0

        await assert_reconciled(programme)
        found = await totals_of(reporter)
        assert found["transferred"] == (value_mg if scope == "transferred" else 0), step
        assert found["counted"] == other_mg + (value_mg if scope == "counted" else 0), step

    assert kept["avoided_mg"] == str(OLD_MG)


async def look(app: FastAPI) -> int:
    """One look of the guard at all days."""
    resources = app.state.runtime.resources
    await catch_up(app)
    async with resources.sessions() as session, session.begin():
        return await watch(session, load_plausible(), since=EVER, now=resources.clock())


async def test_held_restated_reversed_and_released(
    programme: FastAPI, reporter: httpx.AsyncClient
) -> None:
    long = [a_closed_ride(a_ride, {"distance_km": "60"}) for _ in range(30)]
    results = await send(reporter, long)
    assert await look(programme) > 0
    await assert_reconciled(programme)
    held = await totals_of(reporter)
    assert (held["counted"], held["held"]) == (0, sum(int(one["avoided_mg"]) for one in results))

    report = await restated(programme)
    await look(programme)
    await assert_reconciled(programme)
    restated_mg = held["held"] + int(report["total"]["difference_mg"])
    now = await totals_of(reporter)
    assert (now["counted"], now["held"]) == (0, restated_mg)

    await do(programme, reporter, "reversal", results[0]["action_id"])
    await look(programme)
    await assert_reconciled(programme)
    now = await totals_of(reporter)
    assert (now["counted"], now["held"]) == (0, restated_mg // 30 * 29)

    (hold,) = (await reporter.get("/v1/holds")).json()["data"]
    assert hold["local_day"] == CLOSED_DAY
    path = f"/v1/holds/{hold['partner']}/{hold['activity']}/{CLOSED_DAY}/release"
    answer = await reporter.post(path, json={"reason": "checked"})
    assert answer.is_success, answer.text
    await look(programme)
    await assert_reconciled(programme)
    now = await totals_of(reporter)
    assert (now["counted"], now["held"]) == (restated_mg // 30 * 29, 0)

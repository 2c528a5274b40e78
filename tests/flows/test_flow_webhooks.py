"""A merchant's server hears of every action, whatever dies on the way; a terminal can listen."""

import asyncio
import json
import signal

import httpx
import pytest
from builders import BATCH
from flow_system import System, until
from webhook_receiver import OK, Got, a_ride_now, an_endpoint, receiving

from loadtest.harness import HANG_S, finished
from service.clock import system_clock
from service.webhooks.signing import verify

EVENTS = 300


async def _report(client: httpx.AsyncClient, count: int) -> set[str]:
    rides = [a_ride_now(source="metro-bj") for _ in range(count)]
    answer = await client.post("/v1/events", json=rides, headers=BATCH)
    return {one["action_id"] for one in answer.raise_for_status().json()["results"]}


async def test_a_kill_of_the_worker_in_the_middle_loses_no_delivery(fragile: System) -> None:
    async def answer(_: Got) -> bytes:
        await asyncio.sleep(0.05)
        return OK

    async with (
        receiving(answer) as shop,
        fragile.client("webhooks_key") as manager,
        fragile.client() as client,
    ):
        endpoint = await an_endpoint(manager, shop.url, batch_max=1)
        recorded = await _report(client, EVENTS)
        for number in (30, 120):
            await shop.until(number)
            assert fragile.send_signal("worker", signal.SIGKILL)
        recorded |= await _report(client, EVENTS)

        def heard() -> set[str]:
            return {one["data"]["action_id"] for one in shop.notices}

        async def all_arrived() -> bool:
            return heard() >= recorded

        await until(all_arrived, lambda: f"{len(recorded - heard())} are missing")
        await manager.delete(f"/v1/webhook-endpoints/{endpoint['endpoint_id']}")

    assert heard() == recorded
    bodies = {got.id: got.body for got in shop.got}
    assert len(bodies) == len(recorded)
    for got in shop.got:
        assert got.body == bodies[got.id]
        verify([endpoint["secret"]], headers=got.headers, body=got.body, now=system_clock())


async def test_a_terminal_listens_and_cleans_up(fragile: System) -> None:
    async with fragile.command("listen", "--count", "3", "--json") as listener:
        assert listener.stderr is not None
        async with asyncio.timeout(HANG_S):
            first_line = await listener.stderr.readline()
        async with fragile.client() as client:
            recorded = await _report(client, 3)
        done = await finished(listener)

    lines = [json.loads(line) for line in done.text.splitlines() if line.startswith("{")]
    assert b"Listening at http://127.0.0.1:" in first_line
    assert done.code == 0, done.text
    assert {line["data"]["action_id"] for line in lines} == recorded
    async with fragile.client("webhooks_key") as manager:
        assert (await manager.get("/v1/webhook-endpoints")).json()["data"] == []


async def test_an_interrupted_listener_removes_its_endpoint(fragile: System) -> None:
    async with fragile.command("listen") as listener:
        assert listener.stderr is not None
        async with asyncio.timeout(HANG_S):
            await listener.stderr.readline()
        async with fragile.client("webhooks_key") as manager:
            before = (await manager.get("/v1/webhook-endpoints")).json()["data"]
            listener.send_signal(signal.SIGINT)
            done = await finished(listener)
            after = (await manager.get("/v1/webhook-endpoints")).json()["data"]

    assert len(before) == 1
    assert after == []
    assert "the endpoint is removed" in done.text


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--type", "action.deleted"), "there is no type 'action.deleted'"),
        (("--key", f"sx_{'0' * 12}_{'b' * 64}"), "unknown, expired or revoked"),
        (("--url", "http://127.0.0.1:9", "--key", "sx_x_y"), "does not answer"),
    ],
)
async def test_a_listener_that_cannot_listen_says_why(
    fragile: System, arguments: tuple[str, ...], said: str
) -> None:
    done = await fragile.saxaul("listen", *arguments)

    assert done.code == 1
    assert said in " ".join(done.text.split())

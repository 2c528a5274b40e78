"""The live stream over real HTTP: what changed, and the end of it when the server stops."""

from collections.abc import AsyncIterator

import httpx
import orjson
import pytest
from builders import (
    PATIENCE_S,
    SOURCES,
    NewSettings,
    Running,
    a_partner,
    an_event,
    an_order,
    report,
)

from service.resources import open_resources


@pytest.fixture
async def running(new_settings: NewSettings) -> AsyncIterator[tuple[Running, str]]:
    settings = await new_settings()
    async with open_resources(settings) as resources:
        sender = await a_partner(resources.sessions, sources=SOURCES)
    server = Running(settings)
    yield server, sender.key
    if server.thread.is_alive():
        await server.stop()


async def read_totals(lines: AsyncIterator[str]) -> dict:
    async for line in lines:
        if line.startswith("data: "):
            return orjson.loads(line.removeprefix("data: "))
    raise AssertionError("the stream ended")


async def test_a_listener_hears_what_changed_and_the_end(running: tuple[Running, str]) -> None:
    server, key = running
    headers = {"Authorization": f"Bearer {key}"}
    async with (
        httpx.AsyncClient(base_url=server.url, timeout=PATIENCE_S) as listener,
        httpx.AsyncClient(base_url=server.url, timeout=PATIENCE_S, headers=headers) as client,
        listener.stream("GET", "/v1/totals/stream") as answer,
    ):
        lines = answer.aiter_lines()
        first = await read_totals(lines)
        # Three changes within one pause are one message.
        for event in (an_event(), an_order(), an_order()):
            await report(client, event)
        second = await read_totals(lines)
        third_has_all = second["actions"] == 3 or (await read_totals(lines))["actions"] == 3
        streams = (await client.get("/metrics")).text

        await server.stop()
        rest = [line async for line in lines if line.startswith("data: ")]

    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.headers["cache-control"] == "no-store"
    assert first["avoided_mg"] == "0"
    assert third_has_all
    assert "saxaul_streams 1.0" in streams
    assert rest == []

"""Webhooks out: how fast they leave while another endpoint hangs, and a bare client's pace."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import asyncpg

from loadtest.system import System

TYPES = ("action.credited", "action.capped", "action.refused")
CLIENTS = 50  # as many as the service has in flight for one endpoint
POLL_S = 0.02
LIMIT_S = 60.0
PATH = "/v1/webhook-endpoints"


class NotDelivered(RuntimeError):
    """What was recorded did not arrive."""


@asynccontextmanager
async def endpoints(system: System, *urls: str) -> AsyncIterator["Endpoints"]:
    """Endpoints at these URLs, paused; removed at the end of the block."""
    headers = {"Authorization": f"Bearer {system.webhooks_key}"}
    async with aiohttp.ClientSession(system.url, headers=headers, raise_for_status=True) as api:
        made = []
        for url in urls:
            wanted = {"url": url, "types": list(TYPES), "batch_max": 1}
            async with api.post(PATH, json=wanted) as answer:
                made.append((await answer.json())["endpoint_id"])
        found = Endpoints(system, api, made)
        try:
            await found.enable(False)
            yield found
        finally:
            for endpoint in made:
                await api.delete(f"{PATH}/{endpoint}")


class Endpoints:
    """Some endpoints of the demo's partner."""

    def __init__(self, system: System, api: aiohttp.ClientSession, ids: list[str]) -> None:
        self._system = system
        self._api = api
        self._ids = ids

    async def enable(self, wanted: bool) -> None:
        """Let what waits go, or pause all of them."""
        for endpoint in self._ids:
            await self._api.patch(f"{PATH}/{endpoint}", json={"enabled": wanted})

    async def until_queued(self, count: int) -> None:
        """Wait until so many deliveries to each of them are made. Raises NotDelivered."""
        connection = await asyncpg.connect(self._system.database_url)
        try:
            query = "SELECT count(*) FROM webhook_delivery WHERE endpoint_id = ANY ($1::uuid[])"
            ends = time.perf_counter() + LIMIT_S
            while await connection.fetchval(query, self._ids) < count * len(self._ids):
                if time.perf_counter() > ends:
                    raise NotDelivered(f"{count} deliveries were not made in {LIMIT_S:.0f} s")
                await asyncio.sleep(POLL_S)
        finally:
            await connection.close()


async def taken(sink_url: str) -> int:
    """How many requests the sink took."""
    async with aiohttp.ClientSession() as client, client.get(f"{sink_url}/taken") as answer:
        return int(await answer.text())


async def until_taken(sink_url: str, count: int) -> None:
    """Wait until the sink took so many. Raises NotDelivered."""
    ends = time.perf_counter() + LIMIT_S
    while (seen := await taken(sink_url)) < count:
        if time.perf_counter() > ends:
            raise NotDelivered(f"{seen} of {count} deliveries arrived in {LIMIT_S:.0f} s")
        await asyncio.sleep(POLL_S)


async def bare_rate(sink_url: str, count: int, body: bytes) -> float:
    """Requests a second of a plain loop over an HTTP client: nothing signed, nothing kept."""
    left = iter(range(count))
    async with aiohttp.ClientSession() as client:

        async def post() -> None:
            for _ in left:
                async with client.post(f"{sink_url}/taken", data=body) as answer:
                    await answer.read()

        started = time.perf_counter()
        await asyncio.gather(*(post() for _ in range(CLIENTS)))
        return count / (time.perf_counter() - started)

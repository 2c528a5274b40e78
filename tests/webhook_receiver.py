"""A merchant's server on loopback that keeps what it got and answers as it is told."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import httpx
from builders import PATIENCE_S, an_event, in_china, unique
from fastapi import FastAPI

from service.clock import system_clock
from service.resources import Resources
from service.tasks import end
from service.webhooks.outbound.send import open_sender
from service.webhooks.outbound.types import EVENT_TYPES
from workers.deliveries import Deliveries
from workers.metrics import WorkerMetrics

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
MANAGER = ("events:write", "actions:read", "people:act", "webhooks:manage")


@dataclass
class Got:
    """One request as it arrived."""

    line: str
    headers: dict[str, str]
    body: bytes

    @property
    def message(self) -> dict[str, Any]:
        return json.loads(self.body)

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def notices(self) -> list[dict[str, Any]]:
        """Return the notices in the request, a batch taken apart."""
        if self.message["type"] == "action.batch":
            return self.message["data"]["actions"]
        return [self.message]


Answer = Callable[[Got], Awaitable[bytes] | bytes]


@dataclass
class Receiver:
    """`answer` gives the bytes of the whole response, or waits first."""

    url: str = ""
    answer: Answer = lambda _: OK
    got: list[Got] = field(default_factory=list)
    came: asyncio.Event = field(default_factory=asyncio.Event)

    async def until_notices(self, so: Callable[[list[dict[str, Any]]], object]) -> None:
        """Wait until the notices that arrived fulfil a condition."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                if so(self.notices):
                    return
                self.came.clear()
                await self.came.wait()

    async def until(self, count: int) -> list[Got]:
        """Wait for so many requests, and return them."""
        async with asyncio.timeout(PATIENCE_S):
            while len(self.got) < count:
                self.came.clear()
                await self.came.wait()
        return self.got

    @property
    def notices(self) -> list[dict[str, Any]]:
        return [notice for got in self.got for notice in got.notices]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                line, *rest = head.strip().split("\r\n")
                headers = {n.lower(): v.strip() for n, _, v in (one.partition(":") for one in rest)}
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                got = Got(line, headers, body)
                self.got.append(got)
                self.came.set()
                answer = self.answer(got)
                writer.write(answer if isinstance(answer, bytes) else await answer)
                await writer.drain()
        writer.close()


@asynccontextmanager
async def receiving(answer: Answer = lambda _: OK) -> AsyncIterator[Receiver]:
    """Yield a receiver that listens for the time of the block."""
    receiver = Receiver(answer=answer)
    running: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        running.add(task)
        with suppress(asyncio.CancelledError):
            await receiver.serve(reader, writer)
        writer.close()
        running.discard(task)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    receiver.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hooks"
    try:
        yield receiver
    finally:
        server.close()
        for task in list(running):
            task.cancel()
        await asyncio.sleep(0)
        await asyncio.sleep(0)


def answering(status: int, body: bytes = b"", **headers: str) -> bytes:
    """Return a whole response."""
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    head = f"HTTP/1.1 {status} Said\r\nContent-Length: {len(body)}\r\n{lines}\r\n"
    return head.encode() + body


@asynccontextmanager
async def delivering(app: FastAPI, resources: Resources | None = None) -> AsyncIterator[None]:
    """The worker's two loops, in this process; over the sandbox if its resources are given.

    Who may be heard is asked of the live registry, where test keys stand, too.
    """
    live = app.state.runtime.resources
    work = Deliveries(resources or live, WorkerMetrics(), live.sessions).run()
    task = asyncio.create_task(work)
    try:
        yield
        assert not task.done(), task.result()
    finally:
        await end(task)


async def an_endpoint(client: httpx.AsyncClient, url: str, **changes: Any) -> dict[str, Any]:
    """Make an endpoint for every type of webhook."""
    wanted = {"url": url, "types": list(EVENT_TYPES), **changes}
    answer = await client.post("/v1/webhook-endpoints", json=wanted)
    assert answer.status_code == 201, answer.text
    return answer.json()


async def deliveries_of(
    client: httpx.AsyncClient, endpoint: dict[str, Any], **query: str
) -> list[dict[str, Any]]:
    """Return an endpoint's deliveries, newest first."""
    answer = await client.get(
        f"/v1/webhook-endpoints/{endpoint['endpoint_id']}/deliveries", params=query
    )
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]


async def settled(
    client: httpx.AsyncClient, endpoint: dict[str, Any], done: Callable[[list[Any]], object]
) -> list[dict[str, Any]]:
    """Return the deliveries once `done` says so of them."""
    found: list[dict[str, Any]] = []

    async def so() -> object:
        found[:] = await deliveries_of(client, endpoint)
        return done(found)

    await eventually(so)
    return found


async def eventually(so: Callable[[], Awaitable[object]]) -> None:
    """Wait until a condition is true; fail loudly when it stays false."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            if await so():
                return
            await asyncio.sleep(0.01)


async def shown(client: httpx.AsyncClient, endpoint: dict[str, Any]) -> dict[str, Any]:
    """Return the endpoint as it is now."""
    answer = await client.get(f"/v1/webhook-endpoints/{endpoint['endpoint_id']}")
    assert answer.status_code == 200, answer.text
    return answer.json()


def a_ride_now(subject: str | None = None, **changes: Any) -> dict[str, Any]:
    """Return a ride at the machine's time."""
    return an_event(time=in_china(system_clock()), subject=subject or unique("person"), **changes)


@asynccontextmanager
async def a_sender(*, loopback: bool = True, timeout_s: float = 5.0, **more: Any):
    """A sender alone, without the loop that uses it."""
    async with open_sender(
        system_clock, loopback=loopback, timeout_s=timeout_s, connections=10, **more
    ) as sender:
        yield sender

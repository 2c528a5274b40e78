"""Floods of strangers at a real system: its memory stays as it is, and others are answered.

Each flood comes from an address of its own; the others come from the usual one.
"""

import asyncio
from collections.abc import Callable
from itertools import count

import psutil
import pytest
from builders import SINGLE, a_ride, unique
from flow_clients import of_the_demo
from flow_system import System

MIB = 1024 * 1024
GROWTH_MAX = 64 * MIB
CONNECTIONS = 260  # more than an address may have
PART = b"1" * 65_536
REQUEST = b"POST /v1/orders HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
ADDRESSES = count(20)
Flood = Callable[[asyncio.StreamWriter], object]


def a_large_body(writer: asyncio.StreamWriter) -> None:
    """150 MB that no key vouches for."""
    writer.write(REQUEST + b"Content-Length: 150000000\r\n\r\n" + PART * 8)


def a_hidden_large_body(writer: asyncio.StreamWriter) -> None:
    """A body that says nothing of its length."""
    writer.write(REQUEST + b"Transfer-Encoding: chunked\r\n\r\n")
    writer.write((b"10000\r\n" + PART + b"\r\n") * 8)


def a_large_message(writer: asyncio.StreamWriter) -> None:
    """A message to a connector that there is not."""
    writer.write(
        REQUEST.replace(b"orders", b"hooks/con_live_0") + b"Content-Length: 4000000\r\n\r\n"
    )
    writer.write(PART * 8)


def a_large_header(writer: asyncio.StreamWriter) -> None:
    """A header without an end."""
    writer.write(REQUEST + b"X-Long: " + PART * 8)


def half_a_head(writer: asyncio.StreamWriter) -> None:
    """A request that is never finished."""
    writer.write(REQUEST)


def silence(writer: asyncio.StreamWriter) -> None:
    """Nothing."""


def many_requests(writer: asyncio.StreamWriter) -> None:
    """Requests ahead of their answers."""
    writer.write(b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n" * 5_000)


def garbage(writer: asyncio.StreamWriter) -> None:
    """What is not HTTP."""
    writer.write(b"\x16\x03\x01\xff" * 16_384)


async def flood(system: System, what: Flood) -> list[asyncio.StreamWriter]:
    """Open connections from a fresh address, each with the same in it; those that stayed open."""
    port = int(system.url.rpartition(":")[2])
    address = f"127.0.0.{next(ADDRESSES)}"
    opened: list[asyncio.StreamWriter] = []
    for _ in range(CONNECTIONS):
        _, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(address, 0))
        what(writer)
        opened.append(writer)
    return opened


def memory(system: System) -> int:
    """Bytes of the API processes together."""
    return sum(psutil.Process(pid).memory_info().rss for pid in system.pids("api"))


@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    "what",
    [
        a_large_body, a_hidden_large_body, a_large_message, a_large_header, half_a_head, silence,
        many_requests, garbage,
    ],
    ids=lambda what: what.__name__,
)  # fmt: skip
async def test_a_flood_takes_no_memory_and_keeps_nobody_waiting(
    system: System, what: Flood
) -> None:
    async with system.client("partner_key") as client:
        (await client.get("/openapi.json")).raise_for_status()  # what is made once is made now
        before = memory(system)

        opened = await flood(system, what)
        peak = before
        for _ in range(20):
            event = of_the_demo(a_ride(subject=unique("person")))
            answer = await client.post("/v1/events", json=event, headers=dict(SINGLE))
            assert answer.status_code == 201, answer.text
            assert (await client.get("/healthz")).json() == {"status": "alive"}
            peak = max(peak, memory(system))
        for writer in opened:
            writer.close()

    assert peak - before < GROWTH_MAX, f"{(peak - before) / MIB:.0f} MiB"
    assert len(system.pids("api")) == 2

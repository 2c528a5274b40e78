"""The benchmark's own HTTP client, with a server that answers in parts, is busy, and hangs up."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from loadtest.bench.client import BROKEN, closed_loop, get, open_loop

ANSWERS = [(200, b"hello"), (503, b"no"), (BROKEN, b"")]


@pytest.fixture
async def url() -> AsyncIterator[str]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Le")
        await writer.drain()
        await asyncio.sleep(0)
        writer.write(b"ngth: 5\r\n\r\nhe")
        await writer.drain()
        writer.write(b"llo")
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 503 Busy\r\nretry-after: 1\r\nContent-Length: 2\r\n\r\nno")
        await reader.readuntil(b"\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    server.close()


async def test_a_closed_loop_gives_every_answer_also_the_missing_one(url: str) -> None:
    answers: list[tuple[int, bytes]] = []

    seen = await closed_loop(
        url,
        [get(url, "/")] * 3,
        connections=1,
        seconds=60.0,
        on_answer=lambda status, body: answers.append((status, body)),
    )

    assert answers == ANSWERS
    assert (seen.answers, seen.broken) == (3, 1)


async def test_an_open_loop_counts_by_status_and_notes_who_may_come_back(url: str) -> None:
    answers: list[tuple[int, bytes]] = []

    seen = await open_loop(
        url,
        [get(url, "/")] * 3,
        rate_per_s=1_000.0,
        connections=1,
        on_answer=lambda status, body: answers.append((status, body)),
    )

    assert answers == ANSWERS
    assert dict(seen.statuses) == {200: 1, 503: 1, BROKEN: 1}
    assert seen.without_retry_after == 0
    assert len(seen.taken) == 1

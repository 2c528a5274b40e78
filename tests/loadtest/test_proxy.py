"""The bad networks of the fault tests do what they say."""

import asyncio
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import pytest
from builders import PATIENCE_S

from loadtest.faults.proxy import Network, Proxy, proxied

SILENCE_S = 0.2


@pytest.fixture
async def echoed() -> AsyncIterator[tuple[Proxy, int, list[bytes]]]:
    """A proxy before a server that says everything again, and what that server heard."""
    heard: list[bytes] = []

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            heard.append(line)
            writer.write(line)
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with proxied(f"redis://:secret@127.0.0.1:{port}/0") as (proxy, url):
        through = urlsplit(url)
        assert through.password == "secret"
        assert through.port is not None
        yield proxy, through.port, heard
    server.close()


async def test_a_fine_network_carries_both_ways(echoed: tuple[Proxy, int, list[bytes]]) -> None:
    _, port, _ = echoed
    reader, writer = await asyncio.open_connection("127.0.0.1", port)

    writer.write(b"hello\n")

    assert await asyncio.wait_for(reader.readline(), PATIENCE_S) == b"hello\n"
    writer.close()


async def test_a_stall_keeps_everything_and_delivers_it_later(
    echoed: tuple[Proxy, int, list[bytes]],
) -> None:
    proxy, port, heard = echoed
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    proxy.become(Network.STALL)
    writer.write(b"hello\n")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(reader.readline(), SILENCE_S)
    assert heard == []

    proxy.become(Network.FINE)

    assert await asyncio.wait_for(reader.readline(), PATIENCE_S) == b"hello\n"
    writer.close()


async def test_a_drop_loses_the_answer_and_then_the_connection(
    echoed: tuple[Proxy, int, list[bytes]],
) -> None:
    proxy, port, heard = echoed
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"before\n")
    assert await asyncio.wait_for(reader.readline(), PATIENCE_S) == b"before\n"
    proxy.become(Network.DROP)
    writer.write(b"lost\n")
    async with asyncio.timeout(PATIENCE_S):
        # The peer only fills a list: there is no event that could be waited for.
        while len(heard) < 2:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
    assert heard == [b"before\n", b"lost\n"]
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(reader.readline(), SILENCE_S)

    proxy.become(Network.FINE)

    with pytest.raises(ConnectionError):
        await asyncio.wait_for(reader.readline(), PATIENCE_S)
    writer.close()


async def test_a_reset_ends_old_connections_and_new_ones(
    echoed: tuple[Proxy, int, list[bytes]],
) -> None:
    proxy, port, _ = echoed
    old, old_writer = await asyncio.open_connection("127.0.0.1", port)
    old_writer.write(b"hello\n")
    await asyncio.wait_for(old.readline(), PATIENCE_S)

    proxy.become(Network.RESET)

    with pytest.raises(ConnectionError):
        await asyncio.wait_for(old.readline(), PATIENCE_S)
    new, new_writer = await asyncio.open_connection("127.0.0.1", port)
    with pytest.raises(ConnectionError):
        await asyncio.wait_for(new.readline(), PATIENCE_S)
    old_writer.close()
    new_writer.close()

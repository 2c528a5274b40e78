"""A small TCP proxy with which a network between two programs can be made bad."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from enum import StrEnum
from urllib.parse import urlsplit, urlunsplit

CHUNK_BYTES = 65_536
DELAY_S = 0.05
ABORT = struct.pack("ii", 1, 0)  # linger for 0 s: closing sends RST


class Network(StrEnum):
    """The network can behave in one of these ways."""

    FINE = "fine"
    STALL = "stall"  # nothing arrives, nothing is lost
    DROP = "drop"  # what is said arrives; the answers are lost
    DELAY = "delay"  # everything arrives late
    RESET = "reset"  # connections are torn down, and new ones, too


class Proxy:
    """The proxy carries bytes between its own port and one server."""

    def __init__(self, host: str, port: int) -> None:
        self._to = (host, port)
        self._network = Network.FINE
        self._fine = asyncio.Event()
        self._fine.set()
        self._open: set[asyncio.StreamWriter] = set()
        self._lossy = False

    def become(self, network: Network) -> None:
        """The network behaves like this from now on.

        Connections that lost bytes cannot go on; they are torn down when the loss ends.
        """
        if self._lossy or network is Network.RESET:
            self._tear_down()
        self._lossy = network is Network.DROP
        self._network = network
        if network is Network.STALL:
            self._fine.clear()
        else:
            self._fine.set()

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """This carries the bytes of one connection until it ends."""
        self._open.add(writer)
        try:
            await self._fine.wait()
            if self._network is Network.RESET:
                _abort(writer)
                return
            far_reader, far_writer = await asyncio.open_connection(*self._to)
        except OSError:
            _abort(writer)
            return
        finally:
            self._open.discard(writer)
        self._open |= {writer, far_writer}
        try:
            await asyncio.gather(
                self._pump(reader, far_writer, answers=False),
                self._pump(far_reader, writer, answers=True),
            )
        finally:
            self._open -= {writer, far_writer}

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, answers: bool
    ) -> None:
        with suppress(OSError):
            while data := await reader.read(CHUNK_BYTES):
                await self._fine.wait()
                if self._network is Network.DELAY:
                    await asyncio.sleep(DELAY_S)
                if not (answers and self._network is Network.DROP):
                    writer.write(data)
                    await writer.drain()
        writer.close()

    def _tear_down(self) -> None:
        for writer in tuple(self._open):
            _abort(writer)


@asynccontextmanager
async def proxied(url: str) -> AsyncIterator[tuple[Proxy, str]]:
    """This runs a proxy before the server of `url`, and gives it and the URL through it."""
    parts = urlsplit(url)
    assert parts.hostname is not None
    assert parts.port is not None
    proxy = Proxy(parts.hostname, parts.port)
    server = await asyncio.start_server(proxy.carry, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    login, at, _ = parts.netloc.rpartition("@")
    try:
        yield proxy, urlunsplit(parts._replace(netloc=f"{login}{at}127.0.0.1:{port}"))
    finally:
        server.close()
        proxy.become(Network.RESET)


def _abort(writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        raw = writer.get_extra_info("socket")
        if raw is not None:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ABORT)
    writer.transport.abort()

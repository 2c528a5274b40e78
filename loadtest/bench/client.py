"""A cheap HTTP/1.1 client, since it shares the processor with what it measures.

Requests are bytes that were made beforehand; of an answer only status, body and Retry-After are
kept.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import cast
from urllib.parse import urlsplit

from httptools import HttpResponseParser

from loadtest.latency import Latencies

BROKEN = 0  # the status of a request whose connection ended
DRAIN_S = 60.0
OPEN_LOOP_CONNECTIONS = 256
LATE_S = 0.010  # a request that leaves later than this after its moment counts as late
BEHIND_MAX = 0.01  # share of late requests above which a run says nothing about the server
BATCH_TYPE = "application/cloudevents-batch+json"
SINGLE_TYPE = "application/cloudevents+json"

OnAnswer = Callable[[int, bytes], None]


def post(url: str, path: str, body: bytes, *, content_type: str, key: str, **headers: str) -> bytes:
    """The bytes of a POST request; `headers` are further ones, by their names."""
    more = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {urlsplit(url).netloc}\r\nAuthorization: Bearer {key}\r\n"
        f"{more}Content-Type: {content_type}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def get(url: str, path: str, *, key: str | None = None) -> bytes:
    """The bytes of a GET request, with a partner's key or without."""
    who = "" if key is None else f"Authorization: Bearer {key}\r\n"
    return f"GET {path} HTTP/1.1\r\nHost: {urlsplit(url).netloc}\r\n{who}\r\n".encode()


class Connection(asyncio.Protocol):
    """A keep-alive connection carries one request at a time.

    `has_retry_after` says whether the last answer had Retry-After.
    """

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._on_answer: OnAnswer | None = None
        self._parser = HttpResponseParser(self)
        self._body: list[bytes] = []
        self.has_retry_after = False

    @property
    def is_closed(self) -> bool:
        return self._transport is None or self._transport.is_closing()

    def send(self, request: bytes, on_answer: OnAnswer) -> None:
        """This sends one request; `on_answer` is called with status and body, or with BROKEN."""
        assert self._on_answer is None
        self._on_answer = on_answer
        if self._transport is None:
            self._answer(BROKEN)
        else:
            self._transport.write(request)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is of no such class

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """A request that waits is answered with BROKEN."""
        self._transport = None
        if self._on_answer is not None:
            self._answer(BROKEN)

    def on_message_begin(self) -> None:
        self._body, self.has_retry_after = [], False

    def on_header(self, name: bytes, _: bytes) -> None:
        self.has_retry_after |= name.lower() == b"retry-after"

    def on_body(self, body: bytes) -> None:
        self._body.append(body)

    def on_message_complete(self) -> None:
        self._answer(self._parser.get_status_code())

    def _answer(self, status: int) -> None:
        on_answer, self._on_answer = self._on_answer, None
        assert on_answer is not None
        on_answer(status, b"" if status == BROKEN else b"".join(self._body))


@dataclass(slots=True)
class ClosedLoopResult:
    """A closed loop got `answers` answers in `elapsed_s` seconds, `broken` of them none."""

    answers: int = 0
    broken: int = 0
    elapsed_s: float = 0.0

    @property
    def per_s(self) -> float:
        return self.answers / self.elapsed_s if self.elapsed_s else 0.0


@dataclass(slots=True)
class OpenLoopResult:
    """An open loop counted these answers and latencies.

    `latencies` count from the moment at which a request was meant to start, `service_times` from
    when it did; the difference is what a closed loop would have hidden. `taken` are the latencies
    of those that were answered 200 or 201.
    """

    rate_per_s: float
    latencies: Latencies = field(default_factory=Latencies)
    service_times: Latencies = field(default_factory=Latencies)
    taken: Latencies = field(default_factory=Latencies)
    statuses: Counter[int] = field(default_factory=Counter)
    without_retry_after: int = 0  # refused without Retry-After
    late: int = 0

    def note(
        self, status: int, latency_s: float, service_s: float, *, has_retry_after: bool
    ) -> None:
        """This counts one answer: latency from the intended start, service time from sending."""
        self.latencies.record(latency_s)
        self.service_times.record(service_s)
        self.statuses[status] += 1
        if status in (200, 201):
            self.taken.record(latency_s)
        elif status != BROKEN:
            self.without_retry_after += not has_retry_after

    @property
    def failed(self) -> int:
        """The number of requests that were not taken."""
        return len(self.latencies) - len(self.taken)

    @property
    def behind(self) -> float:
        """The share of requests that the generator itself sent too late."""
        return self.late / max(1, len(self.latencies))

    @property
    def void(self) -> bool:
        """Whether the generator fell behind by more than 1 %."""
        return self.behind > BEHIND_MAX


async def connect(url: str, count: int) -> list[Connection]:
    """This opens `count` connections."""
    parts = urlsplit(url)
    loop = asyncio.get_running_loop()
    made = [
        await loop.create_connection(Connection, parts.hostname or "", parts.port or 80)
        for _ in range(count)
    ]
    return [connection for _, connection in made]


async def closed_loop(
    url: str, requests: Sequence[bytes], *, connections: int, seconds: float, on_answer: OnAnswer
) -> ClosedLoopResult:
    """This sends requests as fast as answers come, each of `connections` with one under way.

    Ends when all are sent or `seconds` are over, and all that was sent is answered. `on_answer` is
    called with every answer, in the order in which they came.
    """
    loop = asyncio.get_running_loop()
    opened = await connect(url, connections)
    done = loop.create_future()
    seen = ClosedLoopResult()
    waiting: Iterator[bytes] = iter(requests)
    active = len(opened)
    started = loop.time()
    ends = started + seconds

    def go(connection: Connection) -> None:
        nonlocal active
        usable = not connection.is_closed and loop.time() < ends
        request = next(waiting, None) if usable else None
        if request is not None:
            connection.send(request, lambda status, body: answered(connection, status, body))
            return
        active -= 1
        if not active:
            done.set_result(None)

    def answered(connection: Connection, status: int, body: bytes) -> None:
        seen.answers += 1
        seen.broken += status == BROKEN
        on_answer(status, body)
        seen.elapsed_s = loop.time() - started
        go(connection)

    for connection in opened:
        go(connection)
    async with asyncio.timeout(seconds + DRAIN_S):
        await done
    for connection in opened:
        connection.close()
    return seen


async def open_loop(
    url: str,
    requests: Sequence[bytes],
    *,
    rate_per_s: float,
    on_answer: OnAnswer,
    connections: int = OPEN_LOOP_CONNECTIONS,
) -> OpenLoopResult:
    """This starts requests at random moments (Poisson, `rate_per_s` on average).

    It does so whatever the answers do.

    A request that finds no free connection waits, and its wait counts.
    """
    # A connection that is idle for seconds is closed by the server: slow loops have fewer of them.
    count = min(connections, max(16, int(rate_per_s)))
    return await _OpenLoop(await connect(url, count), on_answer, rate_per_s).run(requests)


class _OpenLoop:
    """An open loop keeps what is free, what is late and what was seen during one run."""

    def __init__(self, opened: list[Connection], on_answer: OnAnswer, rate_per_s: float) -> None:
        self._all = opened
        self._free = deque(opened)
        self._late: deque[tuple[float, bytes]] = deque()
        self._on_answer = on_answer
        self._loop = asyncio.get_running_loop()
        self._left = 0
        self._done = asyncio.Event()
        self._seen = OpenLoopResult(rate_per_s)

    async def run(self, requests: Sequence[bytes]) -> OpenLoopResult:
        chance = Random(1)
        self._left = len(requests)
        gaps = [chance.expovariate(self._seen.rate_per_s) for _ in requests]
        due = self._loop.time()
        for gap, request in zip(gaps, requests, strict=True):
            due += gap
            if (ahead := due - self._loop.time()) > 0:
                await asyncio.sleep(ahead)
            self._seen.late += self._loop.time() - due > LATE_S
            self._start(due, request)
        async with asyncio.timeout(DRAIN_S):
            await self._done.wait()
        for connection in self._all:
            connection.close()
        return self._seen

    def _start(self, due: float, request: bytes) -> None:
        if not self._free:
            self._late.append((due, request))
            return
        self._send(self._free.popleft(), due, request)

    def _send(self, connection: Connection, due: float, request: bytes) -> None:
        sent = self._loop.time()

        def answered(status: int, body: bytes) -> None:
            now = self._loop.time()
            self._seen.note(
                status, now - due, now - sent, has_retry_after=connection.has_retry_after
            )
            self._on_answer(status, body)
            self._left -= 1
            if connection.is_closed:
                self._all.remove(connection)
            elif self._late:
                self._send(connection, *self._late.popleft())
            else:
                self._free.append(connection)
            if not self._left:
                self._done.set()

        connection.send(request, answered)

"""What strangers send before anybody knows them: each flood has an end, and others are heard.

A test says when time passes; the server looks at its connections by itself.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

import httpx
import pytest
from builders import PATIENCE_S, NewSettings, Running, a_partner, an_event

from service.clock import seconds
from service.http.connections import ConnectionLimits, site_of
from service.resources import open_resources

CONNECTIONS, STREAMS = 6, 3
BODY_BYTES = 256 * 1024
FLOODER, PROXY = "127.0.0.9", "127.0.0.7"
GET = b"GET /healthz HTTP/1.1\r\nHost: x\r\n"
POST = b"POST /v1/orders HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"


class StandingClock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Connection:
    """A raw connection, from an address of its own."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    sent: int = field(default=0)

    async def send(self, *parts: bytes) -> None:
        """Send as long as the server reads."""
        for part in parts:
            try:
                self.writer.write(part)
                await self.writer.drain()
            except ConnectionError:
                return
            self.sent += len(part)

    async def answer(self) -> bytes:
        """All that comes until the server closes; a reset is an end, too."""
        found = b""
        async with asyncio.timeout(PATIENCE_S):
            try:
                while part := await self.reader.read(65_536):
                    found += part
            except ConnectionError:
                pass
        return found

    async def one_answer(self) -> bytes:
        """The head of the next answer, and its body."""
        async with asyncio.timeout(PATIENCE_S):
            head = await self.reader.readuntil(b"\r\n\r\n")
            length = next(
                int(line.partition(b":")[2])
                for line in head.lower().splitlines()
                if line.startswith(b"content-length:")
            )
            return head + await self.reader.readexactly(length)


class Entrance:
    """A server whose clock the test moves, and connections to it."""

    def __init__(self, running: Running, clock: StandingClock, key: str) -> None:
        self.running = running
        self.clock = clock
        self.key = key
        self._open: list[Connection] = []

    async def connect(self, host: str = FLOODER) -> Connection:
        port = self.running.socket.getsockname()[1]
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", port, local_addr=(host, 0), limit=2**20
        )
        self._open.append(Connection(reader, writer))
        return self._open[-1]

    def client(self, host: str = "127.0.0.1", **more: object) -> httpx.AsyncClient:
        transport = httpx.AsyncHTTPTransport(local_address=host)
        return httpx.AsyncClient(
            base_url=self.running.url, timeout=PATIENCE_S, transport=transport, **more
        )

    async def heard(self) -> None:
        """Assert that others are answered meanwhile."""
        async with self.client() as other:
            assert (await other.get("/healthz")).json() == {"status": "alive"}

    async def refusals(self) -> dict[str, int]:
        async with self.client() as other:
            lines = (await other.get("/metrics")).text.splitlines()
        start = 'saxaul_connection_refusals_total{problem="'
        found = (line.removeprefix(start).split('"} ') for line in lines if line.startswith(start))
        return {problem: int(float(count)) for problem, count in found}

    def open_connections(self) -> int:
        """How many connections of the flooder the server counts."""
        return self.running.server.connections.open_from(FLOODER)

    def close(self) -> None:
        for one in self._open:
            one.writer.close()


async def until(done: Callable[[], bool]) -> None:
    """Wait until the server has noticed."""
    deadline = seconds() + PATIENCE_S
    while not done():
        assert seconds() < deadline
        await asyncio.sleep(0.01)


@pytest.fixture(scope="module")
async def server(new_settings: NewSettings) -> AsyncIterator[Entrance]:
    settings = await new_settings(
        address_connections=CONNECTIONS,
        address_streams=STREAMS,
        body_bytes=BODY_BYTES,
        trusted_proxies=f"{PROXY}, 10.0.0.0/8",
    )
    async with open_resources(settings) as resources:
        key = (await a_partner(resources.sessions, sources=("metro",))).key
    clock = StandingClock()
    running = Running(settings, ConnectionLimits(), clock)
    yield Entrance(running, clock, key)
    await running.stop()


@pytest.fixture(autouse=True)
async def closed(server: Entrance) -> AsyncIterator[None]:
    yield
    server.close()
    await until(lambda: server.open_connections() == 0)


def assert_problem(answer: bytes, status: int, code: str) -> None:
    assert answer.startswith(b"HTTP/1.1 %d " % status), answer[:200]
    assert b"application/problem+json" in answer
    assert f"/problems/{code}".encode() in answer


@pytest.mark.parametrize("head", [
    GET + b"X-Long: " + b"a" * 20_000 + b"\r\n\r\n",
    GET + b"".join(b"X-%d: many\r\n" % number for number in range(2_000)) + b"\r\n",
    b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    GET + b"X-Never-Ends: " + b"a" * 20_000,
    GET + b"a" * 20_000,
    b"\r\n" * 10_000,
], ids=["value", "many", "address", "unended", "name", "blank-lines"])  # fmt: skip
async def test_a_head_of_more_than_16_kib_is_refused(server: Entrance, head: bytes) -> None:
    connection = await server.connect()
    await connection.send(head)

    assert_problem(await connection.one_answer(), 431, "head-too-large")


async def test_a_header_without_an_end_is_not_read_on(server: Entrance) -> None:
    connection = await server.connect()
    await connection.send(GET, b"X-Long: ", *(b"a" * 65_536 for _ in range(16)))
    assert_problem(await connection.one_answer(), 431, "head-too-large")

    server.clock.now += 3
    assert await connection.answer() == b""
    await server.heard()


async def test_a_head_of_almost_16_kib_is_answered_in_any_pieces(server: Entrance) -> None:
    connection = await server.connect()
    head = GET + b"X-Long: " + b"a" * (16 * 1024 - len(GET) - 12) + b"\r\n\r\n"
    assert len(head) == 16 * 1024
    for start in range(0, len(head), 5_000):
        await connection.send(head[start : start + 5_000])

    assert (await connection.one_answer()).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("garbage", [
    b"\x16\x03\x01\x02\x00\x01", b"\x00" * 4_000, b"HELO\r\n\r\n",
    b"GET /\xff\xfe HTTP/9.9\r\n\r\n",
    GET + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n", b"GET http:// HTTP/1.1\r\n\r\n",
    GET + b"Content-Length: 99999999999999999999999\r\n\r\n", GET + b"Content-Length: -1\r\n\r\n",
    GET + b"bad name: x\r\n\r\n",
])  # fmt: skip
async def test_what_is_not_http_is_refused_and_closed(server: Entrance, garbage: bytes) -> None:
    connection = await server.connect()
    await connection.send(garbage)
    assert_problem(await connection.one_answer(), 400, "request-malformed")

    server.clock.now += 3
    assert await connection.answer() == b""


async def test_silent_and_half_sent_connections_are_closed_after_ten_seconds(
    server: Entrance,
) -> None:
    silent, half = await server.connect(), await server.connect()
    answered = await server.connect()
    await half.send(GET)
    await answered.send(GET + b"\r\n")
    await answered.one_answer()

    server.clock.now += 10

    assert await silent.answer() == b""
    assert_problem(await half.one_answer(), 408, "request-too-slow")
    await answered.send(GET + b"\r\n")  # it was idle, not slow
    assert (await answered.one_answer()).startswith(b"HTTP/1.1 200 ")
    await answered.send(GET)
    await asyncio.sleep(0)
    await server.heard()
    server.clock.now += 10
    assert_problem(await answered.one_answer(), 408, "request-too-slow")


async def test_a_body_has_a_minute_to_arrive(server: Entrance) -> None:
    slow = await server.connect()
    await slow.send(POST + b"Content-Length: 100\r\n\r\n", b"{")
    await server.heard()

    server.clock.now += 60

    assert_problem(await slow.one_answer(), 408, "request-too-slow")
    await server.heard()


async def test_a_large_body_without_a_key_is_refused_before_it_is_read(server: Entrance) -> None:
    connection = await server.connect()
    await connection.send(POST + b"Content-Length: 150000000\r\n\r\n", b"1" * 70_000)

    assert_problem(await connection.one_answer(), 413, "body-too-large")


@pytest.mark.parametrize("key", [None, "sx_live_unknown"])
async def test_only_who_is_known_may_send_more_than_64_kib(
    server: Entrance, key: str | None
) -> None:
    connection = await server.connect()
    shown = b"" if key is None else b"Authorization: Bearer %b\r\n" % key.encode()
    await connection.send(POST + shown + b"Content-Length: 200000\r\n\r\n", b"1" * 70_000)

    code = "credentials-missing" if key is None else "key-invalid"
    assert_problem(await connection.one_answer(), 401, code)


@pytest.mark.parametrize("path", ["/v1/orders", "/v1/events", "/v1/connectors", "/v1/pools"])
async def test_a_body_is_counted_on_every_route(server: Entrance, path: str) -> None:
    async def parts() -> AsyncIterator[bytes]:
        for _ in range(5):
            yield b" " * (64 * 1024)

    headers = {"Authorization": f"Bearer {server.key}", "Content-Type": "application/json"}
    async with server.client(headers=headers) as client:
        unannounced = await client.post(path, content=parts())
        announced = await client.post(path, content=b" " * (BODY_BYTES + 1))

    for answer in (unannounced, announced):
        assert answer.status_code == 413, answer.text
        assert answer.json()["type"] == "/problems/body-too-large"


async def test_a_body_that_goes_on_after_its_answer_is_cut_off(server: Entrance) -> None:
    connection = await server.connect()
    block = b"10000\r\n" + b"1" * 0x10000 + b"\r\n"
    await connection.send(CHUNKED, *(block for _ in range(200)))

    answer = await connection.answer()

    assert answer.startswith(b"HTTP/1.1 401 ")  # more than 64 KiB came without a key
    assert (await server.refusals())["body-too-large"] >= 1
    await server.heard()


async def test_fields_after_a_body_have_the_limit_of_a_head(server: Entrance) -> None:
    connection = await server.connect()
    await connection.send(CHUNKED, b"2\r\n{}\r\n0\r\nX-Trailer: ", b"a" * 200_000)

    assert_problem(await connection.one_answer(), 431, "head-too-large")
    await server.heard()


async def test_a_thousand_requests_ahead_of_their_answers_are_not_kept(server: Entrance) -> None:
    connection = await server.connect()
    await connection.send((GET + b"\r\n") * 1_000)

    answers = await connection.answer()

    assert answers.count(b'{"status":"alive"}') <= 17
    await server.heard()


async def test_an_address_has_so_many_connections(server: Entrance) -> None:
    held = [await server.connect() for _ in range(CONNECTIONS)]
    for one in held:
        await one.send(GET + b"\r\n")
        assert (await one.one_answer()).startswith(b"HTTP/1.1 200 ")

    further = await server.connect()

    assert_problem(await further.answer(), 429, "address-connections-full")
    await server.heard()
    held[0].writer.close()
    await until(lambda: server.open_connections() < CONNECTIONS)
    again = await server.connect()
    await again.send(GET + b"\r\n")
    assert (await again.one_answer()).startswith(b"HTTP/1.1 200 ")


async def test_a_trusted_proxy_speaks_for_many(server: Entrance) -> None:
    for _ in range(CONNECTIONS + 3):
        one = await server.connect(PROXY)
        await one.send(GET + b"\r\n")
        assert (await one.one_answer()).startswith(b"HTTP/1.1 200 ")


async def streamed(client: httpx.AsyncClient, stack: AsyncExitStack, address: str = "") -> int:
    headers = {"X-Forwarded-For": address} if address else {}
    answer = await stack.enter_async_context(
        client.stream("GET", "/v1/totals/stream", headers=headers)
    )
    return answer.status_code


async def test_an_address_has_so_many_streams(server: Entrance) -> None:
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(server.client(FLOODER))
        seen = [await streamed(client, stack, f"203.0.113.{n}") for n in range(STREAMS + 1)]
        proxy = await stack.enter_async_context(server.client(PROXY))
        one = [await streamed(proxy, stack, "203.0.113.1") for _ in range(STREAMS + 1)]
        other = await streamed(proxy, stack, "203.0.113.1, 203.0.113.2, 10.1.2.3")
        refused = await client.get("/v1/totals/stream")

    # Nobody else is believed about whom he speaks for.
    assert seen == [200] * STREAMS + [429]
    assert one == [200] * STREAMS + [429]
    assert other == 200
    assert refused.json()["type"] == "/problems/address-streams-full"
    assert int(refused.headers["retry-after"]) > 0


async def test_who_does_not_read_an_answer_is_cut_off(server: Entrance) -> None:
    connection = await server.connect()
    connection.writer.get_extra_info("socket").setsockopt(1, 8, 4096)  # SO_RCVBUF
    limit = 16
    for _ in range(limit):
        await connection.send(b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n")
    while "answer-not-read" not in await server.refusals():
        server.clock.now += 60
    await server.heard()

    assert "answer-not-read" in await server.refusals()


async def test_a_batch_is_taken_as_before(server: Entrance) -> None:
    async with server.client(headers={"Authorization": f"Bearer {server.key}"}) as client:
        answer = await client.post("/v1/events", json=[an_event(source="metro")] * 1)

    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize(("host", "site"), [
    ("192.0.2.7", "192.0.2.7"), ("::ffff:192.0.2.7", "192.0.2.7"),
    ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"), ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
    ("/run/socket", "/run/socket"),
])  # fmt: skip
def test_what_counts_as_one_address(host: str, site: str) -> None:
    assert site_of(host) == site

"""One HTTP try: sign, post, read a little of the answer. Nothing is decided, nothing is kept."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from types import UnionType

import aiohttp
from aiohttp.abc import AbstractResolver
from yarl import URL

from service.clock import Clock, seconds
from service.webhooks.outbound.address import AddressRefused
from service.webhooks.outbound.attempt import ADDRESS, CONNECTION, OK, STATUS, TIMEOUT, TLS, Answer
from service.webhooks.outbound.connector import open_connector
from service.webhooks.outbound.schedule import read_retry_after
from service.webhooks.signing import signed_headers

ANSWER_BYTES_MAX = 256  # enough for an error's text, too little for what an inner service tells
HEAD_BYTES_MAX = 8 * 1024
BUFFER_BYTES = 4 * 1024
CONNECT_SHARE = 3  # connecting may take this part of the whole time
AGENT = "Saxaul-Webhooks/1.0"


class Sender:
    """Posts messages over pooled connections, each to an address that was checked."""

    def __init__(self, session: aiohttp.ClientSession, clock: Clock) -> None:
        self._session = session
        self._clock = clock

    async def send(
        self, url: str, secrets: Sequence[str], *, message_id: str, body: bytes
    ) -> Answer:
        """Send a message once; every failure is returned as an Answer."""
        at, started = self._clock(), seconds()
        headers = signed_headers(secrets, message_id=message_id, timestamp=at, body=body)
        status: int | None = None
        content: bytes | None = None
        error: str | None = None
        wait_s = 0
        try:
            async with self._session.post(
                URL(url, encoded=True), data=body, headers=headers, allow_redirects=False
            ) as response:
                status = response.status
                wait_s = read_retry_after(response.headers.get("retry-after"), at)
                content = await _beginning(response)
                result, error = _judged(response)
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as fault:
            result, error = _fault(fault)
        duration_ms = int((seconds() - started) * 1000)
        return Answer(at, duration_ms, result, status, error, content, wait_s)


async def _beginning(response: aiohttp.ClientResponse) -> bytes:
    """Return the beginning of an answer, as sent: nothing is unpacked, and the rest is not read."""
    content = b""
    while len(content) <= ANSWER_BYTES_MAX:
        some = await response.content.read(ANSWER_BYTES_MAX + 1 - len(content))
        if not some:
            break
        content += some
    if len(content) > ANSWER_BYTES_MAX:
        response.close()
    return content[:ANSWER_BYTES_MAX]


def _judged(response: aiohttp.ClientResponse) -> tuple[str, str | None]:
    status, reason = response.status, (response.reason or "")[:64]
    if 200 <= status < 300:
        return OK, None
    failure = f"It answered {status} {reason}".rstrip()
    if 300 <= status < 400:
        return STATUS, f"{failure}: redirects are not followed; give the endpoint its new URL."
    return STATUS, f"{failure}; 200 to 299 means that a delivery was taken."


def _fault(fault: Exception) -> tuple[str, str]:
    """Return the kind of a failure, and the failure in words."""
    cause = getattr(fault, "os_error", None) or fault
    if isinstance(cause, AddressRefused):
        return ADDRESS, f"Nothing was sent: {cause}."
    for kind, result, words in _FAULTS:
        if isinstance(fault, kind):
            return result, words.format(cause=cause)[:500]
    return CONNECTION, f"The connection failed: {fault or type(fault).__name__}."[:500]


_FAULTS: tuple[tuple[type[Exception] | UnionType, str, str], ...] = (
    (aiohttp.ConnectionTimeoutError, TIMEOUT, "No connection was made in time."),
    (TimeoutError, TIMEOUT, "It did not answer in time; answer first, then work on it."),
    (aiohttp.ClientConnectorDNSError, CONNECTION, "Its name could not be resolved: {cause}."),
    (aiohttp.ClientSSLError | ssl.SSLError, TLS, "TLS failed: {cause}."),
    (aiohttp.ServerDisconnectedError, CONNECTION, "It hung up without an answer."),
)


@asynccontextmanager
async def open_sender(
    clock: Clock,
    *,
    loopback: bool,
    timeout_s: float,
    connections: int,
    resolver: AbstractResolver | None = None,
) -> AsyncIterator[Sender]:
    """Yield a sender with its pool of connections; nothing of the environment is used."""
    session = aiohttp.ClientSession(
        connector=open_connector(loopback=loopback, limit=connections, resolver=resolver),
        timeout=aiohttp.ClientTimeout(total=timeout_s, sock_connect=timeout_s / CONNECT_SHARE),
        headers={
            "Content-Type": "application/json",
            "User-Agent": AGENT,
            "Accept-Encoding": "identity",
        },
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        trust_env=False,
        read_bufsize=BUFFER_BYTES,
        max_line_size=HEAD_BYTES_MAX,
        max_field_size=HEAD_BYTES_MAX,
    )
    try:
        yield Sender(session, clock)
    finally:
        await session.close()
        await asyncio.sleep(0)  # transports end in the next turn of the loop

"""Streams last as long as their readers like, so each takes one of few places."""

from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager

from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from service.errors import AddressStreamsFull, StreamsFull
from service.http.connections import site_of

STREAMS_MAX = 1_000  # of one process
_UNKNOWN = "unknown"


class Streams:
    """How many listeners are connected to this process at the moment, and from where."""

    def __init__(self, *, per_address: int) -> None:
        self.open = 0
        self._per_address = per_address
        self._by_site: Counter[str] = Counter()

    @contextmanager
    def place(self, host: str) -> Iterator[None]:
        """Hold a place for a listener at `host` during the block.

        Raises StreamsFull and AddressStreamsFull.
        """
        site, most = site_of(host), self._per_address
        if self._by_site[site] >= most:
            raise AddressStreamsFull(f"{most} streams of your address are open already.")
        if self.open >= STREAMS_MAX:
            raise StreamsFull(f"{STREAMS_MAX} listeners are connected already; try again later.")
        self.open += 1
        self._by_site[site] += 1
        try:
            yield
        finally:
            self.open -= 1
            self._by_site[site] -= 1
            if not self._by_site[site]:
                del self._by_site[site]


class CountedStream(StreamingResponse):
    """A streamed answer that holds a place from its first byte to its last."""

    def __init__(
        self,
        content: AsyncIterator[bytes],
        streams: Streams,
        *,
        media_type: str,
        headers: Mapping[str, str],
    ) -> None:
        super().__init__(content, media_type=media_type, headers=headers)
        self._streams = streams

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the stream. Raises what `Streams.place` raises before anything is sent."""
        client = scope.get("client")
        with self._streams.place(client[0] if client else _UNKNOWN):
            await super().__call__(scope, receive, send)

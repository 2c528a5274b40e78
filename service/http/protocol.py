"""HTTP on one connection: the server's own protocol, with a limit for everything that it reads.

What is refused here never reaches the application: it is answered as a problem, and the connection
is closed.
"""

import asyncio
from typing import Any, ClassVar

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from service.errors import (
    AddressConnectionsFull,
    BodyTooLarge,
    HeadTooLarge,
    RequestMalformed,
    RequestTooSlow,
    ServiceError,
)
from service.http.connections import Connections
from service.http.problems import response_of

NEVER = float("inf")
HEADER_FRAMING_BYTES = 4  # ": " and the end of the line
UNKNOWN_PEER = "unknown"


class LimitedProtocol(HttpToolsProtocol):
    """One connection. Its state is what it waits for (`_phase`) and until when (`_until`).

    Nothing here starts a timer: the server asks every connection once a second (`overdue`).
    """

    limited: ClassVar[Connections]

    _site: str | None = None
    _phase: str = "head"
    _until: float = NEVER
    _unread_until: float = NEVER
    _has_spoken = False
    _is_refused = False
    _quiet_bytes = 0
    _body_bytes = 0

    # The server's class narrows the type in the same way: it is given nothing but sockets.
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take the connection, unless its address has as many as it may have."""
        super().connection_made(transport)
        self._until = self.limited.clock() + self.limited.limits.head_s
        self._site = self.limited.enter(self.client[0] if self.client else UNKNOWN_PEER)
        if self._site is None:
            most = self.limited.limits.address_connections
            self._answer(AddressConnectionsFull(f"{most} connections of your address are open."))
            transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        if self._site is not None:
            self.limited.leave(self._site)
            self._site = None
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what came in, in pieces so small that no head can hide in one."""
        if self._is_refused:
            return
        self._unset_keepalive_if_required()
        if self._phase == "idle":
            self._wait_for("head", self.limited.limits.head_s)
        self._has_spoken = True
        step = self.limited.limits.head_bytes
        if len(data) <= step:
            self._feed(data)
            return
        for start in range(0, len(data), step):
            self._feed(data[start : start + step])
            if self._is_refused:
                return

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header of the head; fields after a body's end say nothing to us."""
        if self._phase == "head":
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Begin the request, if its head is not too large."""
        limits = self.limited.limits
        if self._is_refused:
            return
        if self._quiet_bytes > limits.head_bytes and self._head_bytes() > limits.head_bytes:
            self._refuse_head()
            return
        self._quiet_bytes = self._body_bytes = 0
        super().on_headers_complete()
        self._wait_for("body", limits.body_s)
        if len(self.pipeline) > limits.pipelined:
            self._refuse(RequestMalformed("Wait for answers before you send more requests."))

    def on_body(self, body: bytes) -> None:
        """Count a part of the body and hand it on; what is far too long is not read to its end."""
        if self._is_refused:
            return
        self._quiet_bytes = 0
        self._body_bytes += len(body)
        if self._body_bytes > self.limited.limits.dropped_bytes:
            limit = self.limited.limits.body_bytes
            self._refuse(BodyTooLarge(f"The body is longer than the limit of {limit} bytes."))
            return
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Note that the request is here whole."""
        if self._is_refused:
            return
        self._quiet_bytes = 0
        super().on_message_complete()
        self._phase, self._until = "idle", NEVER

    def pause_writing(self) -> None:
        """Note since when the peer does not read its answer."""
        super().pause_writing()
        self._unread_until = self.limited.clock() + self.limited.limits.unread_s

    def resume_writing(self) -> None:
        """Note that the peer reads again."""
        super().resume_writing()
        self._unread_until = NEVER

    def overdue(self, now: float) -> None:
        """Close the connection if it is over its time at `now`."""
        if now >= self._unread_until:
            self.limited.refused("answer-not-read")
            self.transport.abort()
        elif now >= self._until:
            if self._is_refused or self.transport.is_closing():
                self.transport.abort()
            elif self._has_spoken:
                limits = self.limited.limits
                seconds = limits.head_s if self._phase == "head" else limits.body_s
                self._refuse(
                    RequestTooSlow(f"The {self._phase} was not complete after {seconds:g} seconds.")
                )
            else:  # browsers connect ahead of need, and take an answer for one to the next request
                self.transport.close()
        elif self._until == NEVER and self.transport.is_closing():
            self._until = now + self.limited.limits.linger_s

    def _wait_for(self, phase: str, seconds: float) -> None:
        self._phase, self._until = phase, self.limited.clock() + seconds

    def _feed(self, piece: bytes) -> None:
        self._quiet_bytes += len(piece)
        try:
            self.parser.feed_data(piece)
        except httptools.HttpParserUpgrade:
            pass  # there is nothing to upgrade to; the request is answered as any other
        except httptools.HttpParserError:
            self._refuse(RequestMalformed("What was sent is not HTTP/1.1."))
        else:
            if self._quiet_bytes > self.limited.limits.head_bytes:
                self._refuse_head()

    def _head_bytes(self) -> int:
        fields = sum(len(name) + len(value) + HEADER_FRAMING_BYTES for name, value in self.headers)
        return len(self.url) + fields

    def _refuse_head(self) -> None:
        limit = self.limited.limits.head_bytes
        self._refuse(HeadTooLarge(f"The head of the request is larger than {limit} bytes."))

    def _refuse(self, error: ServiceError) -> None:
        """Answer and close. What still comes in is dropped for a moment: a connection that is
        closed with unread data takes the answer with it."""
        if self._is_refused:
            return
        cycle = self.cycle
        is_answering = cycle is not None and not cycle.response_complete
        # An answer would be taken for that to an earlier request, or for a part of one.
        if is_answering and (cycle.response_started or not cycle.more_body or self.pipeline):
            self._is_refused = True
            self.limited.refused(error.code)
            self.transport.close()
        else:
            self._answer(error)
            if self.transport.can_write_eof():
                self.transport.write_eof()
        if is_answering:
            cycle.disconnected = True
            cycle.message_event.set()
        self.flow.resume_reading()
        self._until = self.limited.clock() + self.limited.limits.linger_s

    def _answer(self, error: ServiceError) -> None:
        self._is_refused = True
        self.limited.refused(error.code)
        response = response_of(error)
        fields: list[tuple[bytes, bytes]] = [
            *self.server_state.default_headers,
            *response.raw_headers,
            (b"connection", b"close"),
        ]
        head = b"".join(b"%b: %b\r\n" % field for field in fields)
        body = bytes(response.body)
        self.transport.write(STATUS_LINE[response.status_code] + head + b"\r\n" + body)


def protocol_behind(connections: Connections) -> type[LimitedProtocol]:
    """Return the protocol of all connections that come in by `connections`."""
    namespace: dict[str, Any] = {"limited": connections, "__doc__": LimitedProtocol.__doc__}
    return type("ServedProtocol", (LimitedProtocol,), namespace)

"""Bodies are counted while they arrive, on every route and before anybody is asked who speaks.

Each body is held by whoever reads it; here is only how much of it may come.
"""

from collections.abc import Awaitable, Callable

from starlette.types import Message, Receive, Scope

from service.errors import BodyTooLarge, UnprovenBodiesFull

# Of a body that nobody has vouched for yet: more than any request but batches and files needs.
EARLY_BYTES = 64 * 1024
UNPROVEN_BYTES_MAX = (
    16 * 1024 * 1024
)  # of all bodies that are read before their signature is checked
DROPPED_SHARE = 2  # a body of up to so many limits is read to its end, to be heard
Prove = Callable[[Scope], Awaitable[bool]]


class Bodies:
    """The bodies that are coming in to one process.

    `prove` finds who sends a large body: it returns False where only the whole body can prove it,
    and raises what the request is answered with when nobody known sends it.
    """

    def __init__(self, prove: Prove) -> None:
        self.prove = prove
        self.unproven_bytes = 0

    def of(self, scope: Scope, receive: Receive, limit_bytes: int) -> "Body":
        """Return the body of one request; its `receive` stands for the server's."""
        return Body(self, scope, receive, limit_bytes)


class Body:
    """The body of one request. Whoever is done with the request calls `end`."""

    __slots__ = (
        "_bodies", "_is_proven", "_limit_bytes", "_receive", "_scope", "_taken", "_threshold",
        "_unproven",
    )  # fmt: skip

    def __init__(self, bodies: Bodies, scope: Scope, receive: Receive, limit_bytes: int) -> None:
        self._bodies = bodies
        self._scope = scope
        self._receive = receive
        self._limit_bytes = limit_bytes
        self._threshold = min(EARLY_BYTES, limit_bytes)
        self._taken = 0
        self._unproven = 0
        self._is_proven: bool | None = None

    async def receive(self) -> Message:
        """Return the next part of the body. Raises BodyTooLarge, UnprovenBodiesFull, or whatever
        says that nobody known sends a body so large."""
        message = await self._receive()
        part = message.get("body")
        if part:
            self._taken += len(part)
            if self._taken > self._threshold:
                await self._judge(message)
        return message

    def end(self) -> None:
        """Give back what the body took of the room for those that are not proven."""
        if self._unproven:
            self._bodies.unproven_bytes -= self._unproven
            self._unproven = 0

    async def _judge(self, message: Message) -> None:
        limit, announced = self._limit_bytes, self._announced()
        if announced > limit or self._taken > limit:
            if announced <= DROPPED_SHARE * limit:
                await self._drop_rest(message)
            size = max(announced, self._taken)
            raise BodyTooLarge(f"The body is {size} bytes or more; the limit is {limit}.")
        if self._is_proven is None:
            self._is_proven = await self._bodies.prove(self._scope)
        if not self._is_proven:
            self._reserve()

    def _reserve(self) -> None:
        more = self._taken - self._unproven
        if self._bodies.unproven_bytes + more > UNPROVEN_BYTES_MAX:
            raise UnprovenBodiesFull("Too many large messages are arriving; send it again shortly.")
        self._bodies.unproven_bytes += more
        self._unproven = self._taken

    def _announced(self) -> int:
        """Return the body's announced length in bytes; what was taken, where none is."""
        for name, value in self._scope["headers"]:
            if name == b"content-length" and value.isdigit():
                return int(value[:19])  # the server has refused what does not fit 64 bits
        return self._taken

    async def _drop_rest(self, message: Message) -> None:
        """Read an announced body to its end: most clients look for an answer only when all is sent,
        and would find the connection closed."""
        while message.get("more_body", False) and self._taken <= DROPPED_SHARE * self._limit_bytes:
            message = await self._receive()
            self._taken += len(message.get("body", b""))

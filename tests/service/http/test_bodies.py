"""Bodies that nobody vouches for share a little room, and give it back."""

from collections.abc import Iterator

import pytest
from starlette.types import Message, Scope

from service.errors import BodyTooLarge, CredentialsMissing, UnprovenBodiesFull
from service.http.bodies import EARLY_BYTES, UNPROVEN_BYTES_MAX, Bodies, Body

LIMIT = 4 * 1024 * 1024
PART = 256 * 1024


async def nobody(_: Scope) -> bool:
    return False


async def a_stranger(_: Scope) -> bool:
    raise CredentialsMissing("Send a key.")


async def somebody(_: Scope) -> bool:
    return True


def a_body(bodies: Bodies, parts: int, *, size: int = PART, announced: int | None = None) -> Body:
    """A body of so many parts, of which the last one says so."""
    messages: Iterator[Message] = iter(
        {"type": "http.request", "body": b" " * size, "more_body": at < parts - 1}
        for at in range(parts)
    )

    async def receive() -> Message:
        return next(messages)

    length = [] if announced is None else [(b"content-length", b"%d" % announced)]
    return bodies.of({"type": "http", "headers": length}, receive, LIMIT)


async def read(body: Body) -> int:
    taken = 0
    while True:
        message = await body.receive()
        taken += len(message["body"])
        if not message["more_body"]:
            return taken


async def test_bodies_without_proof_share_a_room_and_give_it_back() -> None:
    bodies = Bodies(nobody)
    held = [a_body(bodies, LIMIT // PART) for _ in range(UNPROVEN_BYTES_MAX // LIMIT)]
    for body in held:
        assert await read(body) == LIMIT
    assert bodies.unproven_bytes == UNPROVEN_BYTES_MAX

    one_more = a_body(bodies, 1)
    with pytest.raises(UnprovenBodiesFull):
        await read(one_more)
    one_more.end()
    assert await read(a_body(bodies, 1, size=EARLY_BYTES)) == EARLY_BYTES  # small ones always fit
    held[0].end()
    held[0].end()

    assert await read(a_body(bodies, LIMIT // PART)) == LIMIT
    for body in held:
        body.end()
    assert bodies.unproven_bytes == LIMIT


async def test_who_is_known_needs_no_room() -> None:
    bodies = Bodies(somebody)

    assert await read(a_body(bodies, LIMIT // PART)) == LIMIT
    assert bodies.unproven_bytes == 0


async def test_a_stranger_is_asked_who_he_is_when_his_body_is_no_small_one() -> None:
    bodies = Bodies(a_stranger)
    assert await read(a_body(bodies, 1, size=EARLY_BYTES)) == EARLY_BYTES

    with pytest.raises(CredentialsMissing):
        await read(a_body(bodies, 1, size=EARLY_BYTES + 1))


@pytest.mark.parametrize("announced", [None, LIMIT + 1, 150_000_000, 10**18])
async def test_more_than_the_limit_is_refused(announced: int | None) -> None:
    with pytest.raises(BodyTooLarge) as refused:
        await read(a_body(Bodies(somebody), LIMIT // PART + 1, announced=announced))

    assert str(LIMIT) in refused.value.detail

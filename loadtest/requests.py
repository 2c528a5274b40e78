"""Requests with events of the mix, as bytes that are made before a measurement."""

from loadtest.bench.client import BATCH_TYPE, SINGLE_TYPE, post
from loadtest.mix import Mix
from loadtest.system import System

EVENTS = "/v1/events"


def singles(system: System, mix: Mix, count: int) -> list[bytes]:
    """`count` requests with one event each."""
    return [
        post(system.url, EVENTS, text.encode(), content_type=SINGLE_TYPE, key=system.partner_key)
        for text in mix.events(count)
    ]


def batches(system: System, mix: Mix, count: int, *, size: int) -> list[bytes]:
    """`count` requests with `size` events each."""
    bodies = (mix.batch(size).encode() for _ in range(count))
    return [
        post(system.url, EVENTS, body, content_type=BATCH_TYPE, key=system.partner_key)
        for body in bodies
    ]

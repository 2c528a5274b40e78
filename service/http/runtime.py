"""What a running application holds, as far as every route shares it, and how routes find it.

`app.state.runtime` is one frozen `service.runtime.Runtime`, filled when the application starts.
Each folder declares the part of it that its own routes use, and reads that part by its type.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from fastapi import FastAPI

from service.http.metrics import Metrics
from service.http.quota import Quota
from service.http.streams import Streams
from service.resources import Resources

if TYPE_CHECKING:
    from service.http.tracing import Tracing

Part = TypeVar("Part")


# The parts have no slots: `Runtime` inherits from several of them, which slots do not allow.
@dataclass(frozen=True, kw_only=True)
class HttpRuntime:
    """What serving, counting and limiting requests needs.

    `stopping` is set when the process was asked to end. `lags` asks the database how many seconds
    each projector is behind; `queued_events` counts the events that wait in this process's lanes.
    `hosts` are those that a request may name, any if there are none. `before_metrics` are called in
    their order before metrics are shown.
    """

    resources: Resources
    metrics: Metrics
    tracing: "Tracing | None"
    quota: Quota
    stopping: asyncio.Event
    streams: Streams
    hosts: frozenset[str]
    lags: Callable[[], Awaitable[dict[str, float]]]
    queued_events: Callable[[], int]
    before_metrics: tuple[Callable[[], Awaitable[None]], ...]


def runtime_of(app: FastAPI, part: type[Part]) -> Part:
    """Return the runtime of an application that has started, known by one of its parts."""
    found = app.state.runtime
    assert isinstance(found, part)
    return found

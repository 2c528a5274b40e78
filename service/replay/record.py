"""One event to send, or a line that holds none. Pure."""

from dataclasses import dataclass
from typing import Any

import orjson


@dataclass(frozen=True, slots=True)
class Record:
    """An event as it will be sent."""

    event: dict[str, Any]

    @property
    def body(self) -> bytes:
        """The event as JSON."""
        return orjson.dumps(self.event)


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A line of the input that is no event: its number, from 1, and why."""

    line: int
    why: str

"""The only place that reads the machine's clock, and the ids that carry a time.

Times are aware UTC. Tests and demos hand in another `Clock`.
"""

import os
import time
from collections.abc import Callable
from datetime import UTC, datetime
from uuid import UUID

Clock = Callable[[], datetime]

_VERSION_AND_VARIANT = (7 << 76) | (0b10 << 62)


def system_clock() -> datetime:
    """The machine's time, aware, UTC."""
    return datetime.now(UTC)


def seconds() -> float:
    """A monotonic reading for durations and deadlines; means nothing between processes."""
    return time.monotonic()


def cpu_seconds() -> float:
    """This process's own processor time: what a sum costs, whoever else is on the machine."""
    return time.process_time()


def uuid7(at: datetime) -> UUID:
    """A time-ordered id (RFC 9562 version 7) of the millisecond `at`."""
    millisecond = int(at.timestamp() * 1000)
    random = int.from_bytes(os.urandom(10))
    return UUID(
        int=(millisecond << 80)
        | _VERSION_AND_VARIANT
        | ((random >> 62) & 0xFFF) << 64
        | (random & 0x3FFF_FFFF_FFFF_FFFF)
    )

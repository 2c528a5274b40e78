"""The only place that reads the machine's clock, and the ids that carry a time.

Times are aware UTC. Tests and demos hand in another `Clock`.
"""

import json
import os
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

Clock = Callable[[], datetime]

_VERSION_AND_VARIANT = (7 << 76) | (0b10 << 62)


def system_clock() -> datetime:
    """Return the machine's time, aware, UTC."""
    return datetime.now(UTC)


LOOK_AGAIN_S = 0.2
CLOCK_FILE = "clock.json"  # in the data folder; written by `saxaul up --clock`, read by all


class MovedClock:
    """The machine's time and what a demo's clock was moved ahead; never back within a process.

    All processes of the embedded default read one file, so they agree within LOOK_AGAIN_S.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._ahead = timedelta(0)
        self._looked_at = -LOOK_AGAIN_S

    def __call__(self) -> datetime:
        now = time.monotonic()
        if now - self._looked_at >= LOOK_AGAIN_S:
            self._ahead = max(self._ahead, read_ahead(self._file))
            self._looked_at = now
        return system_clock() + self._ahead


def read_ahead(file: Path) -> timedelta:
    """Return how far ahead a clock file says that time is; zero without the file."""
    try:
        return timedelta(seconds=int(json.loads(file.read_bytes())["ahead_s"]))
    except FileNotFoundError:
        return timedelta(0)


def seconds() -> float:
    """Return a monotonic reading for durations and deadlines; means nothing between processes."""
    return time.monotonic()


def cpu_seconds() -> float:
    """Return the processor time of this process in seconds, whatever else the machine does."""
    return time.process_time()


def uuid7(at: datetime) -> UUID:
    """Return a time-ordered id (RFC 9562 version 7) of the millisecond `at`."""
    millisecond = int(at.timestamp() * 1000)
    random = int.from_bytes(os.urandom(10))
    return UUID(
        int=(millisecond << 80)
        | _VERSION_AND_VARIANT
        | ((random >> 62) & 0xFFF) << 64
        | (random & 0x3FFF_FFFF_FFFF_FFFF)
    )

"""CloudEvents from a JSON Lines file, or from standard input: one event on each line."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import orjson

from service.replay.record import Record, Unreadable

STANDARD_INPUT = Path("-")


def read_events(file: Path) -> Iterator[Record | Unreadable]:
    """Yield each line as an event; empty lines are passed over."""
    if file == STANDARD_INPUT:
        yield from _lines(sys.stdin.buffer)
        return
    with file.open("rb") as lines:
        yield from _lines(lines)


def _lines(lines: BinaryIO) -> Iterator[Record | Unreadable]:
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            event = orjson.loads(line)
        except orjson.JSONDecodeError as error:
            yield Unreadable(number, f"not JSON: {error}")
            continue
        if isinstance(event, dict):
            yield Record(event)
        else:
            yield Unreadable(number, "not a JSON object")

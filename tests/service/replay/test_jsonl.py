"""One CloudEvent on each line."""

from pathlib import Path

from service.replay.jsonl import read_events
from service.replay.record import Record, Unreadable


def test_lines_are_events_or_told_with_their_number(tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    file.write_bytes(b'{"id": "1"}\n\n  \nnot json\n[1]\n\xff\n{"id": "2"}')

    found = list(read_events(file))

    assert [one.event["id"] for one in found if isinstance(one, Record)] == ["1", "2"]
    assert [one.line for one in found if isinstance(one, Unreadable)] == [4, 5, 6]


def test_an_empty_file_holds_nothing(tmp_path: Path) -> None:
    file = tmp_path / "empty.jsonl"
    file.touch()

    assert list(read_events(file)) == []

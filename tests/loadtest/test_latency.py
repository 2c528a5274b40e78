"""What the load tools say of latencies, and when a run is void."""

from pathlib import Path

import pytest
from rich.console import Console

from loadtest.bench.client import OpenLoopResult
from loadtest.bench.compare import compared
from loadtest.latency import Latencies, table_of


def test_a_percentile_is_exact_to_three_digits() -> None:
    seen = Latencies()
    for milliseconds in range(1, 1001):
        seen.record(milliseconds / 1000)

    assert len(seen) == 1000
    assert seen.at_s(0.5) == pytest.approx(0.5, rel=0.002)
    assert seen.at_s(0.99) == pytest.approx(0.99, rel=0.002)
    assert seen.at_s(1.0) == pytest.approx(1.0, rel=0.002)


def test_the_histogram_is_written_for_plotters(tmp_path: Path) -> None:
    seen = Latencies()
    seen.record(0.010)
    seen.write(tmp_path / "run.hdr")

    text = (tmp_path / "run.hdr").read_text()

    assert "Percentile" in text
    assert "10.0" in text


def test_the_table_has_every_column() -> None:
    one, other = Latencies(), Latencies()
    one.record(0.001)
    other.record(2.0)

    console = Console(width=100)
    with console.capture() as captured:
        console.print(table_of({"from the start": one, "from sending": other}))
    text = captured.get()

    assert "p99.9" in text
    assert "from the start" in text
    assert "2,0" in text


@pytest.mark.parametrize(("late", "void"), [(0, False), (10, False), (11, True)])
def test_a_run_is_void_when_more_than_one_in_a_hundred_left_late(late: int, void: bool) -> None:
    seen = OpenLoopResult(100.0)
    for _ in range(1_000):
        seen.note(201, 0.001, 0.001, has_retry_after=False)
    seen.late = late

    assert seen.void is void


def test_a_refusal_must_say_when_to_come_back() -> None:
    seen = OpenLoopResult(100.0)
    seen.note(503, 0.001, 0.001, has_retry_after=True)
    seen.note(503, 0.001, 0.001, has_retry_after=False)
    seen.note(200, 0.001, 0.001, has_retry_after=False)

    assert seen.without_retry_after == 1
    assert seen.failed == 2
    assert len(seen.taken) == 1


def test_two_revisions_are_compared_round_by_round() -> None:
    rows = compared({"single": [100.0, 200.0], "gone": [1.0]}, {"single": [150.0, 100.0]})

    assert rows == {"single": {"a": [100.0, 200.0], "b": [150.0, 100.0], "ratios": [1.5, 0.5]}}

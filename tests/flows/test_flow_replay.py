"""Citi Bike's trips through the HTTP API: what cannot be is refused, and twice is once."""

import csv
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from flow_system import System, outcomes_of

from loadtest.harness import Done
from service.replay.citibike import COLUMNS

# Good trips, by what is wrong with the others.
GENERATED = {"credited": 300, "same station": 40, "minute": 30, "day": 20, "fast": 10}
HOME = (40.7177325, -74.043845)
AWAY = (40.7211236, -74.03805095)  # 617 m from HOME
FAR = (40.7577325, -74.043845)  # 4.4 km from HOME: in three minutes that is 89 km/h

# The real file (Citi Bike's open data, September 2015) is not part of the project.
SIBLING = Path(__file__).parents[3] / "shared/data/citibike-jersey-city-2015-09.csv"
REAL = Path(os.environ.get("SAXAUL_CITIBIKE_FILE", SIBLING))
REAL_OUTCOMES = {"credited": 5_159, "refused": 1_509, "refused:implausible": 1_509}
SHIFT_YEARS = "11"  # to 2026, from which on the methodology has a factor for cars there


async def test_generated_trips_are_credited_or_refused_and_never_twice(
    system: System, tmp_path: Path
) -> None:
    file = tmp_path / "trips.csv"
    write_trips(file)

    first = await _replay(system, file)
    before = await system.settled()
    second = await _replay(system, file)

    refused = sum(GENERATED[name] for name in ("same station", "minute", "day", "fast"))
    assert outcomes_of(first) == {
        "credited": GENERATED["credited"],
        "refused": refused,
        "refused:implausible": refused,
    }
    assert outcomes_of(second) == {"duplicate": GENERATED["credited"] + refused}
    assert await system.settled() == before
    await system.assert_reconciled()


@pytest.mark.skipif(not REAL.is_file(), reason="SAXAUL_CITIBIKE_FILE names no file")
async def test_the_real_trips_are_credited_or_refused_and_never_twice(system: System) -> None:
    first = await _replay(system, REAL)
    before = await system.settled()
    second = await _replay(system, REAL)

    assert outcomes_of(first) == REAL_OUTCOMES
    assert outcomes_of(second) == {"duplicate": 6_668}
    assert await system.settled() == before
    await system.assert_reconciled()


async def _replay(system: System, file: Path) -> Done:
    done = await system.saxaul(
        "replay", str(file), "--format", "citibike", "--shift-years", SHIFT_YEARS, "--batch", "500"
    )
    assert done.code == 0, done.text
    return done


def write_trips(file: Path) -> None:
    """A file of Citi Bike's shape: trips of many bicycles on the first days of a month."""
    kinds = {
        "credited": (AWAY, 300),
        "same station": (HOME, 300),
        "minute": (AWAY, 60),
        "day": (AWAY, 86_400),
        "fast": (FAR, 180),
    }
    started = datetime(2015, 9, 1, 6, tzinfo=UTC)
    with file.open("w", newline="") as lines:
        writer = csv.DictWriter(lines, COLUMNS)
        writer.writeheader()
        bike = 10_000
        for kind, (end, duration_s) in kinds.items():
            for number in range(GENERATED[kind]):
                bike += 1
                at = started + timedelta(minutes=number)
                times = (
                    f"{one:%Y-%m-%d %H:%M:%S}" for one in (at, at + timedelta(seconds=duration_s))
                )
                row = (duration_s, *times, *HOME, *end, bike)
                writer.writerow(dict(zip(COLUMNS, row, strict=True)))

"""Trips of a bicycle file as events."""

from pathlib import Path

import pytest

from service.replay.citibike import COLUMNS, read_trips
from service.replay.record import Record, Unreadable

HEADER = ",".join(COLUMNS)
NORTH = "40.7,-74.0,40.71,-74.0"  # a hundredth of a degree north: 1.111 km


def trip(tmp_path: Path, *rows: str, shift_years: int = 0) -> list[Record | Unreadable]:
    file = tmp_path / "trips.csv"
    file.write_text("\n".join((HEADER, *rows)) + "\n")
    return list(read_trips(file, source="bike", shift_years=shift_years))


def only(found: list[Record | Unreadable]) -> dict:
    assert isinstance(found[0], Record)
    return found[0].event


def test_a_trip_is_a_ride_of_its_bicycle(tmp_path: Path) -> None:
    event = only(trip(tmp_path, f"605,2015-09-21 14:53:19,2015-09-21 15:03:24,{NORTH},24565"))

    assert event["id"] == "citibike-24565-20150921T145319"
    assert (event["type"], event["source"]) == ("cycle.bike", "bike")
    assert event["subject"] == "citibike-bike-24565"
    assert event["time"] == "2015-09-21T14:53:19-04:00"
    assert event["data"] == {
        "region": "US",
        "mode": "shared_bike",
        "distance_km": "1.111",
        "duration_min": "10.08",
        "trip_id": "citibike-24565-20150921T145319",
    }


def test_a_round_trip_is_no_distance(tmp_path: Path) -> None:
    event = only(trip(tmp_path, "605,2015-09-21 14:53:19,x,40.7,-74.0,40.7,-74.0,1"))

    assert event["data"]["distance_km"] == "0.000"


@pytest.mark.parametrize(
    ("started", "years", "time"),
    [
        ("2015-01-10 08:00:00", 0, "2015-01-10T08:00:00-05:00"),
        ("2016-02-29 08:00:00", 10, "2026-02-28T08:00:00-05:00"),
        ("2015-11-01 01:30:00", 0, "2015-11-01T01:30:00-04:00"),
        ("2015-03-09 01:30:00", 11, "2026-03-09T01:30:00-04:00"),
    ],
)
def test_clocks_are_new_yorks_on_the_day(
    tmp_path: Path, started: str, years: int, time: str
) -> None:
    event = only(trip(tmp_path, f"605,{started},x,{NORTH},7", shift_years=years))

    assert event["time"] == time
    assert event["id"].endswith(f"-y{years}") == bool(years)


@pytest.mark.parametrize(
    "row",
    [
        f"605,yesterday,x,{NORTH},7",
        f"many,2015-09-21 14:53:19,x,{NORTH},7",
        "605,2015-09-21 14:53:19,x,north,-74,40,-74,7",
        "605",
        "",
    ],
)
def test_a_row_that_cannot_be_read_is_told_with_its_line(tmp_path: Path, row: str) -> None:
    good = f"605,2015-09-21 14:53:19,x,{NORTH},7"

    found = trip(tmp_path, good, row, good)

    bad = [one for one in found if isinstance(one, Unreadable)]
    assert len(found) - len(bad) == 2
    assert [one.line for one in bad] == ([] if not row else [3])


def test_a_file_without_the_columns_says_which(tmp_path: Path) -> None:
    file = tmp_path / "other.csv"
    file.write_text("a,b\n1,2\n")

    with pytest.raises(ValueError, match="Trip Duration"):
        list(read_trips(file, source="bike", shift_years=0))

"""Trips of Citi Bike's open system data as cycling events.

The ride is at least the great circle between its two stations: a lower bound, and a round trip to
the same station is 0 km. The bicycle stands for the person, since the file names no rider.
"""

import csv
from collections.abc import Iterator
from datetime import datetime
from decimal import ROUND_DOWN, Decimal
from math import asin, cos, radians, sin, sqrt
from pathlib import Path
from zoneinfo import ZoneInfo

from service.replay.record import Record, Unreadable

ZONE = ZoneInfo("America/New_York")
EARTH_RADIUS_KM = 6371.0088  # IUGG mean radius
COLUMNS = (
    "Trip Duration",
    "Start Time",
    "Stop Time",
    "Start Station Latitude",
    "Start Station Longitude",
    "End Station Latitude",
    "End Station Longitude",
    "Bike ID",
)


def read_trips(file: Path, *, source: str, shift_years: int) -> Iterator[Record | Unreadable]:
    """Yield each row as an event, or why it cannot be read.

    Raises ValueError for missing columns.
    """
    with file.open(encoding="utf-8-sig", newline="") as lines:
        rows = csv.DictReader(lines)
        missing = [name for name in COLUMNS if name not in (rows.fieldnames or ())]
        if missing:
            raise ValueError(f"{file}: the columns {', '.join(missing)} are missing")
        for row in rows:
            try:
                yield _record(row, source=source, shift_years=shift_years)
            except (ValueError, ArithmeticError, TypeError) as error:
                yield Unreadable(rows.line_num, str(error))


def _record(row: dict[str, str], *, source: str, shift_years: int) -> Record:
    started = _local(row["Start Time"])
    trip = f"citibike-{row['Bike ID']}-{started:%Y%m%dT%H%M%S}"
    shifted = f"{trip}-y{shift_years}" if shift_years else trip
    return Record(
        {
            "specversion": "1.0",
            "id": shifted,
            "source": source,
            "type": "cycle.bike",
            "subject": f"citibike-bike-{row['Bike ID']}",
            "time": _shifted(started, shift_years).isoformat(),
            "data": {
                "region": "US",
                "mode": "shared_bike",
                "distance_km": str(_distance_km(row)),
                "duration_min": str(_minutes(row["Trip Duration"])),
                "trip_id": shifted,
            },
        }
    )


def _local(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZONE)


def _shifted(at: datetime, years: int) -> datetime:
    """Return the same wall clock some years later; the 29th of February becomes the 28th."""
    if at.month == 2 and at.day == 29:
        at = at.replace(day=28)
    return at.replace(year=at.year + years)


def _minutes(seconds: str) -> Decimal:
    return (Decimal(seconds) / 60).quantize(Decimal("0.01"))


def _distance_km(row: dict[str, str]) -> Decimal:
    """Haversine distance between the stations in kilometres, rounded down to the metre."""
    latitude_1, longitude_1, latitude_2, longitude_2 = (
        radians(float(row[f"{end} Station {axis}"]))
        for end in ("Start", "End")
        for axis in ("Latitude", "Longitude")
    )
    half = (
        sin((latitude_2 - latitude_1) / 2) ** 2
        + cos(latitude_1) * cos(latitude_2) * sin((longitude_2 - longitude_1) / 2) ** 2
    )
    kilometres = 2 * EARTH_RADIUS_KM * asin(sqrt(half))
    return Decimal(kilometres).quantize(Decimal("0.001"), ROUND_DOWN)

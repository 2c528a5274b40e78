"""Which local days it is in a country at an instant, by the time zones of the tz database. Pure.

A country is the first two letters of a region, so that all of its zones are allowed: an app may
take the offset of the capital, and who travels keeps it for a while.
"""

from datetime import date, datetime
from functools import cache, lru_cache
from importlib.resources import files
from zoneinfo import ZoneInfo

EASTERNMOST_MIN = 14 * 60  # Kiribati
WESTERNMOST_MIN = -12 * 60  # ships' time; no land is farther behind
_QUARTER_MIN = 15  # offsets are whole quarters of an hour: within one no zone begins a day
_EPOCH = date(1970, 1, 1).toordinal()
_KEPT = 8_192  # countries and quarters of an hour, about 2 MB


def days_at(region: str, at: datetime, utc_offset_min: int) -> tuple[date, ...]:
    """Return the local days, two at most, that it is in a region's country at an instant.

    `utc_offset_min` is that of `at`. Empty when the tz database knows no such country.
    """
    # Every event comes through here: `at.timestamp()` alone would cost three times as much.
    minute = (at.toordinal() - _EPOCH) * 1440 + at.hour * 60 + at.minute - utc_offset_min
    return _days(region[:2], minute // _QUARTER_MIN)


@lru_cache(_KEPT)
def _days(country: str, quarter: int) -> tuple[date, ...]:
    seconds = quarter * _QUARTER_MIN * 60
    zones = _zones().get(country, ())
    return tuple(sorted({datetime.fromtimestamp(seconds, zone).date() for zone in zones}))


@cache
def _zones() -> dict[str, tuple[ZoneInfo, ...]]:
    """Return the zones of each country, from the two tables of the tz database.

    `zone.tab` names each zone of a country; `zone1970.tab` also those that it shares with others.
    """
    names: dict[str, set[str]] = {}
    for table in ("zone.tab", "zone1970.tab"):
        for line in files("tzdata.zoneinfo").joinpath(table).read_text("utf-8").splitlines():
            if not line.startswith("#"):
                countries, _, name = line.split("\t")[:3]
                for country in countries.split(","):
                    names.setdefault(country, set()).add(name)
    return {country: tuple(map(ZoneInfo, sorted(zones))) for country, zones in names.items()}

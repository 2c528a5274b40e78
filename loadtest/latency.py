"""Latencies in an HDR histogram: three significant digits from a microsecond to an hour."""

from pathlib import Path

from hdrh.histogram import HdrHistogram
from rich.table import Table

HIGHEST_US = 3_600_000_000
DIGITS = 3
SHOWN = (50.0, 75.0, 90.0, 95.0, 99.0, 99.9, 100.0)


class Latencies:
    """A histogram of how long requests took."""

    def __init__(self) -> None:
        self._histogram = HdrHistogram(1, HIGHEST_US, DIGITS)

    def __len__(self) -> int:
        return int(self._histogram.total_count)

    def record(self, seconds: float) -> None:
        """This adds the latency of one request."""
        self._histogram.record_value(min(HIGHEST_US, max(1, round(seconds * 1e6))))

    def at_s(self, share: float) -> float:
        """The latency, in seconds, that this share of the requests did not exceed."""
        return float(self._histogram.get_value_at_percentile(share * 100)) / 1e6

    def write(self, file: Path) -> None:
        """This writes the percentiles, in milliseconds, as plotters of HDR histograms read them."""
        with file.open("wb") as out:
            self._histogram.output_percentile_distribution(out, 1000.0)


def table_of(columns: dict[str, Latencies]) -> Table:
    """Percentiles of several, side by side, in milliseconds."""
    table = Table("", *columns)
    for percentile in SHOWN:
        values = (one.at_s(percentile / 100) * 1000 for one in columns.values())
        table.add_row(f"p{percentile:g}", *(f"{value:,.1f} ms" for value in values))
    return table

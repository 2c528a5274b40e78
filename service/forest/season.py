"""Seasons: when trees of a project can be had. Pure; days are local to the project's place."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True, slots=True)
class Window:
    """From one day to another, both included; a yearly one has no year and may pass New Year."""

    start: tuple[int, int] | date
    end: tuple[int, int] | date

    def holds(self, day: date) -> bool:
        """Return whether `day` is in the window."""
        if isinstance(self.start, date) and isinstance(self.end, date):
            return self.start <= day <= self.end
        at = (day.month, day.day)
        if self.start <= self.end:  # type: ignore[operator]  # both are of one kind
            return self.start <= at <= self.end  # type: ignore[operator]
        return at >= self.start or at <= self.end  # type: ignore[operator]

    def starts(self, year: int) -> Iterator[date]:
        """Its first days, in that year and the next if it comes every year."""
        if isinstance(self.start, date):
            yield self.start
        else:
            for one in (year, year + 1):
                yield date(one, *self.start)


@dataclass(frozen=True, slots=True)
class Season:
    """All days from `opens_on` to `closes_on`, or as far as there are windows, those within."""

    opens_on: date
    closes_on: date
    windows: Sequence[Window]

    def holds(self, day: date) -> bool:
        """Return whether trees can be had on `day`."""
        if not self.opens_on <= day <= self.closes_on:
            return False
        return not self.windows or any(window.holds(day) for window in self.windows)

    def next_start(self, day: date) -> date | None:
        """Return the first day after `day` on which a season begins; None if there is none."""
        year = max(day, self.opens_on).year
        firsts = {self.opens_on, *(d for window in self.windows for d in window.starts(year))}
        return min((first for first in firsts if first > day and self.holds(first)), default=None)


def read_windows(written: Iterable[dict[str, str]]) -> tuple[Window, ...]:
    """Windows from `{"from": "03-01", "to": "04-30"}` or with years.

    Raises ValueError that says what is wrong.
    """
    return tuple(_window(one["from"], one["to"]) for one in written)


def _window(start: str, end: str) -> Window:
    window = Window(_day(start), _day(end))
    if isinstance(window.start, date) and isinstance(window.end, date):
        if window.end < window.start:
            raise ValueError(f"{end} is before {start}")
    elif isinstance(window.start, date) or isinstance(window.end, date):
        raise ValueError(f"{start} and {end}: give both with a year, or both as MM-DD")
    return window


def _day(text: str) -> tuple[int, int] | date:
    try:
        if len(text) == len("03-01"):
            day = date.fromisoformat(f"2001-{text}")  # no leap year: 02-29 is not in every year
            return day.month, day.day
        return date.fromisoformat(text)
    except ValueError as error:
        raise ValueError(f"{text!r} is no day: give MM-DD (not 02-29) or YYYY-MM-DD") from error

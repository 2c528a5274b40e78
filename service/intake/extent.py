"""What an action takes beside its own day: the whole days that it covers, and a share of the year
of the thing that its sheet names, such as a car. Pure."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import NamedTuple
from uuid import UUID

from service.partners.person import PersonId

YearKey = tuple[int, UUID, int]  # bucket and keyed hash of the thing, year


class Extent(NamedTuple):
    """`days`: whole days, in order, or none. `thing`: whose years have a limit, if they have."""

    days: tuple[date, ...]
    thing: PersonId | None

    def years(self, local_day: date) -> tuple[YearKey, ...]:
        """Return the years of the thing that are touched: those of the days, or of the action's
        own.
        """
        if self.thing is None:
            return ()
        years = sorted({day.year for day in self.days or (local_day,)})
        return tuple((self.thing.bucket, self.thing.id, year) for year in years)

    def shares(self, local_day: date, quantity_milli: int) -> Iterator[tuple[YearKey, "Share"]]:
        """Yield each year and its share; a year that ends within the days has its own days only."""
        for key in self.years(local_day):
            days = frozenset(day for day in self.days if day.year == key[2])
            part = quantity_milli * len(days) // len(self.days) if days else quantity_milli
            yield key, Share(part, days)


class Share(NamedTuple):
    """A part of a year, in thousandths of the sheet's quantity, and the days that it takes."""

    quantity_milli: int
    days: frozenset[date]


@dataclass(slots=True)
class YearState:
    """What is taken of a thing's year, by whomever; and how much of it is new in this batch."""

    quantity_milli: int
    days: set[date]
    new_quantity_milli: int = 0
    new_days: set[date] = field(default_factory=set)

    def take(self, share: Share) -> None:
        """Take a share off what is left of the year."""
        self.quantity_milli += share.quantity_milli
        self.days |= share.days
        self.new_quantity_milli += share.quantity_milli
        self.new_days |= share.days


def ranges_text(days: Iterable[date]) -> str:
    """Days as PostgreSQL writes a datemultirange; it joins those that touch."""
    ranges = (f"[{day},{day + timedelta(days=1)})" for day in sorted(days))
    return f"{{{','.join(ranges)}}}"

"""How days, moments and whole numbers are read from outside: written out, and within a range.

A calendar reaches from year 1 to 9999, a database's further; sums over either end are no days any
more. What no programme needs is refused where it is read.
"""

from datetime import date, datetime
from typing import Annotated, TypeVar

from pydantic import AfterValidator, AwareDatetime, BeforeValidator

FIRST_YEAR, LAST_YEAR = 2000, 2100
WHOLE_MAX = 2**31 - 1  # what an INTEGER of the database holds
When = TypeVar("When", bound=date)


def written_out(value: object) -> object:
    """Refuse numbers, also in a text: they would be read as seconds since 1970."""
    if isinstance(value, date):
        return value
    if value is not None and (not isinstance(value, str) or value[4:5] != "-"):
        raise ValueError("must be a text as in RFC 3339, e.g. 2026-11-22T08:03:11+08:00")
    return value


def in_reach(when: When) -> When:
    """Return the day or moment. Raises ValueError unless its year is one that there can be."""
    if not FIRST_YEAR <= when.year <= LAST_YEAR:
        raise ValueError(f"the year must be {FIRST_YEAR} to {LAST_YEAR}")
    return when


Day = Annotated[date, BeforeValidator(written_out), AfterValidator(in_reach)]
Moment = Annotated[AwareDatetime, BeforeValidator(written_out), AfterValidator(in_reach)]


def day_of(text: str) -> date:
    """Return the day in a cursor. Raises ValueError."""
    return in_reach(date.fromisoformat(text))


def moment_of(text: str) -> datetime:
    """Return the moment in a cursor. Raises ValueError."""
    moment = in_reach(datetime.fromisoformat(text))
    if moment.tzinfo is None:
        raise ValueError("a moment has an offset")
    return moment


def whole_of(text: str) -> int:
    """Return the whole number in a cursor. Raises ValueError."""
    if not text.isascii() or not text.isdecimal() or len(text) > len(str(WHOLE_MAX)):
        raise ValueError(f"must be a whole number of 0 to {WHOLE_MAX}")
    number = int(text)
    if number > WHOLE_MAX:
        raise ValueError(f"must be a whole number of 0 to {WHOLE_MAX}")
    return number

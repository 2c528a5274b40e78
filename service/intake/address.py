"""Where an action's rows live, from its id. Pure.

An action id is a UUID version 7 whose last 18 bits are the month of the local day (8 bits, months
since 2021-01; 255 for days outside the programme) and the person's bucket (10 bits). So an action
is found by its id alone, in one partition on one node, without an index of its own.
"""

from datetime import date
from uuid import UUID

from service.settings import PROGRAMME_FROM, PROGRAMME_TO

OUTSIDE = 255


def month_of(day: date) -> int:
    """Months since 2021-01, 0..179, or OUTSIDE for a day that is not in the programme."""
    if not PROGRAMME_FROM <= day <= PROGRAMME_TO:
        return OUTSIDE
    return (day.year - PROGRAMME_FROM.year) * 12 + day.month - 1


def first_day(month: int) -> date:
    """Return the first day of a month as month_of counts them."""
    return date(PROGRAMME_FROM.year + month // 12, month % 12 + 1, 1)


def address_of(action_id: UUID) -> tuple[int, int]:
    """Return (bucket, month) of an action, from its id."""
    low = action_id.int & 0x3FFFF
    return low & 0x3FF, low >> 10

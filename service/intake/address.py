"""Where an action's rows live, told by its id. Pure.

An action id is a UUID version 7 whose last 18 bits are the month of the local day (8 bits, months
since 2021-01; 255 for days outside the programme) and the person's bucket (10 bits). So an action
is found by its id alone, in one partition on one node, without an index of its own.
"""

import os
from datetime import date, datetime
from uuid import UUID

from asyncpg.pgproto.pgproto import UUID as DriverUUID

from service.settings import PROGRAMME_FROM, PROGRAMME_TO

OUTSIDE = 255
_RANDOM_BYTES = 7


def month_of(day: date) -> int:
    """Months since 2021-01, 0..179, or OUTSIDE for a day that is not in the programme."""
    if not PROGRAMME_FROM <= day <= PROGRAMME_TO:
        return OUTSIDE
    return (day.year - PROGRAMME_FROM.year) * 12 + day.month - 1


def first_day(month: int) -> date:
    """The first day of a month as month_of counts them."""
    return date(PROGRAMME_FROM.year + month // 12, month % 12 + 1, 1)


class ActionIds:
    """Ids for the actions of one batch: one clock reading, one read of the random source."""

    def __init__(self, now: datetime, count: int) -> None:
        self._start = (int(now.timestamp() * 1000) << 80) | (7 << 76) | (0b10 << 62)
        self._random = os.urandom(_RANDOM_BYTES * count)
        self._next = 0

    def take(self, bucket: int, month: int) -> UUID:
        """The next id, for a person's bucket and the month of the local day."""
        at = self._next
        self._next = at + _RANDOM_BYTES
        random = int.from_bytes(self._random[at : at + _RANDOM_BYTES])
        value = (
            self._start
            | (random >> 44) << 64
            | (random & 0xFFF_FFFF_FFFF) << 18
            | month << 10
            | bucket
        )
        return DriverUUID(value.to_bytes(16))


def address_of(action_id: UUID) -> tuple[int, int]:
    """(bucket, month) of an action, from its id."""
    low = action_id.int & 0x3FFFF
    return low & 0x3FF, low >> 10

"""The ids of new actions, and the salts of facts' leaves.

Ids are time-ordered, partly random, and have the address of the rows in them:
`service.intake.address` says what the last bits mean.
"""

import os
from datetime import datetime
from uuid import UUID

from asyncpg.pgproto.pgproto import UUID as DriverUUID

from methodologies.leaf import SALT_BYTES

_RANDOM_BYTES = 7


def new_salts(count: int) -> list[bytes]:
    """Return a salt for each of `count` facts, from one read of the random source."""
    random = os.urandom(SALT_BYTES * count)
    return [random[at : at + SALT_BYTES] for at in range(0, len(random), SALT_BYTES)]


class ActionIds:
    """Ids for the actions of one batch: one clock reading, one read of the random source."""

    def __init__(self, now: datetime, count: int) -> None:
        self._start = (int(now.timestamp() * 1000) << 80) | (7 << 76) | (0b10 << 62)
        self._random = os.urandom(_RANDOM_BYTES * count)
        self._next = 0

    def take(self, bucket: int, month: int) -> UUID:
        """Return the next id, for a person's bucket and the month of the local day."""
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

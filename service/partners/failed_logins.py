"""Credentials that were not accepted: counted in memory, written down as a sample of audit events.

An attacker chooses how many there are, so they cost a request nothing and the trail little: those
of a few seconds that are alike are one event with their number, and only so many are told apart.
"""

import re
from collections import Counter
from datetime import datetime
from typing import NamedTuple

from sqlalchemy.ext.asyncio import AsyncSession

from service.acting import NOBODY, acting, this_address
from service.audit.record import audit
from service.errors import ServiceError
from service.partners.keys import KEY_START, split_key

TOLD_APART_MAX = 20  # in one writing; all others together are one event more
FAILED = "login.failed"
_PREFIX = re.compile(r"[0-9a-f]{12}")


class FailedLogin(NamedTuple):
    """What was tried, as `key:abcdef123456`, why it was refused, and from which address."""

    target: str
    why: str
    address: str | None


OTHERS = FailedLogin("credential:others", "various", None)


class FailedLogins:
    """Counts failed log-ins until they are written down."""

    def __init__(self) -> None:
        self._counts: Counter[FailedLogin] = Counter()

    def note(self, credential: str, error: ServiceError) -> None:
        """Count one. What was sent is not kept, but for the prefix of what looks like a key."""
        one = FailedLogin(_target(credential), error.code, this_address())
        if one not in self._counts and len(self._counts) >= TOLD_APART_MAX:
            one = OTHERS
        self._counts[one] += 1

    def take(self) -> Counter[FailedLogin]:
        """Return what was counted since the last time."""
        counts, self._counts = self._counts, Counter()
        return counts


async def write_failed(
    session: AsyncSession, counts: Counter[FailedLogin], *, now: datetime
) -> None:
    """Append an audit event for each kind of failure, with how often it came."""
    for one, times in counts.items():
        with acting(NOBODY, one.address):
            after = {"why": one.why, "times": times}
            await audit(session, FAILED, one.target, after=after, now=now)


def _target(credential: str) -> str:
    if not credential.startswith(KEY_START):
        return "credential:token"
    parts = split_key(credential)
    is_prefix = parts is not None and _PREFIX.fullmatch(parts[0]) is not None
    return f"key:{parts[0]}" if parts is not None and is_prefix else "credential:malformed"

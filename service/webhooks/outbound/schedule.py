"""When to try again, when to pause for an endpoint, when to give up. Pure; data first.

Delays are ceilings of full jitter: the real one is anywhere between none and the ceiling, so that
many deliveries that failed together do not come back together. Times are in seconds.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime

_MINUTE, _HOUR, _DAY = 60, 3_600, 86_400

# After the first failure up to 10 s, after the second up to a minute, and so on; together three
# days on the average. With the first, fifteen attempts.
RETRY_CEILINGS_S = (
    10, _MINUTE, 4 * _MINUTE, 15 * _MINUTE, _HOUR, 3 * _HOUR, 6 * _HOUR, 12 * _HOUR, 16 * _HOUR,
    16 * _HOUR, _DAY, _DAY, _DAY, _DAY,
)  # fmt: skip
RETRY_AFTER_MAX_S = _DAY

TRIP_FAILURES = 5  # in a row; then the breaker opens and single probes look
OPEN_FIRST_S = 5  # doubles with each probe that fails
OPEN_MAX_S = 30 * _MINUTE

DISABLE_AFTER = timedelta(days=3)  # without one success
GIVE_UP_AFTER = timedelta(days=5)  # for deliveries whose turn never came

Random = Callable[[], float]  # from 0 up to 1


def retry_at(tries: int, *, now: datetime, wait_s: int, random: Random) -> datetime | None:
    """When to try again after `tries` failures, or None to give up.

    `wait_s` is what the receiver asked for, 0 for nothing.
    """
    if tries > len(RETRY_CEILINGS_S):
        return None
    delay_s = RETRY_CEILINGS_S[tries - 1] * random()
    return now + timedelta(seconds=max(delay_s, wait_s))


def read_retry_after(value: str | None, now: datetime) -> int:
    """Return seconds that a `Retry-After` asks for, 0 to RETRY_AFTER_MAX_S.

    Another text asks for 0.
    """
    if not value:
        return 0
    text = value.strip()
    if text.isascii() and text.isdigit():
        return min(int(text[:9]), RETRY_AFTER_MAX_S)
    try:
        at = parsedate_to_datetime(text)
    except ValueError:
        return 0
    if at.tzinfo is None:
        return 0
    return max(0, min(int((at - now).total_seconds()), RETRY_AFTER_MAX_S))

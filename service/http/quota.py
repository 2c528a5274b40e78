"""How much one caller may ask for in a minute, whichever process it reaches.

The windows are kept in Valkey by the `limits` library. A process takes a share of a caller's minute
at a time and spends it from its own memory, so that a busy caller's requests cost no round trip.
Without Valkey there is no quota: events go on, and the metrics say so.
"""

# Shares begin with what is asked for and double, up to a hundredth of the quota: a process that
# gets few requests of a caller keeps little from the others. What is left of a share may be spent
# in the next minute, so a process may let through a hundredth more.

from collections import OrderedDict
from dataclasses import dataclass
from math import ceil
from typing import Any, cast

from limits import RateLimitItemPerMinute
from limits.aio.storage import RedisStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter
from redis.exceptions import RedisError

from service.clock import seconds, system_clock
from service.errors import QuotaExceeded
from service.http.metrics import Metrics

LEASE_SHARE = 100  # a process takes at most a hundredth of a minute's quota at a time
LEASE_S = 60.0  # and gives up what it did not spend in a minute
CALLERS_MAX = 10_000
AWAY_S = 1.0  # after a fault Valkey is left alone for so long
TIMEOUT_S = 0.5
WINDOW_S = 60
REQUEST_COST = 1
SPENT = "saxaul.quota"  # where a request's scope keeps what its answer's headers say
PREFIX = "sx:quota"


@dataclass(slots=True)
class Spent:
    """What is left of a caller's quota, and in how many seconds all of it is there again."""

    limit: int
    left: int
    resets_s: int

    def headers(self) -> list[tuple[bytes, bytes]]:
        """`RateLimit-Policy` and `RateLimit` as the IETF's httpapi draft has them."""
        return [
            (b"ratelimit-policy", f'"minute";q={self.limit};w={WINDOW_S}'.encode()),
            (b"ratelimit", f'"minute";r={self.left};t={self.resets_s}'.encode()),
        ]


@dataclass(slots=True)
class _Lease:
    left: int = 0
    share: int = 0
    until: float = 0.0
    shared_left: int = 0
    resets_at: float = 0.0


class Quota:
    """Counts what callers ask for."""

    def __init__(self, redis_url: str, metrics: Metrics) -> None:
        storage = RedisStorage(
            f"async+{redis_url}",
            implementation="redispy",
            key_prefix=PREFIX,
            socket_timeout=TIMEOUT_S,
            socket_connect_timeout=TIMEOUT_S,
        )
        self._storage = storage
        self._limiter = SlidingWindowCounterRateLimiter(storage)
        self._metrics = metrics
        self._leases: OrderedDict[str, _Lease] = OrderedDict()
        self._away_until = 0.0

    async def spend(self, caller: str, cost: int, *, limit: int) -> Spent | None:
        """Take `cost` from a caller's `limit` a minute; None while nobody counts.

        A request costs 1, each event of a batch costs 1. Raises QuotaExceeded, and then nothing
        is taken.
        """
        if limit == 0 or cost <= 0:
            return None
        now = seconds()
        lease = self._lease(caller)
        if lease.until < now:
            lease.left = lease.share = 0
        if lease.left < cost:
            if now < self._away_until:
                return None
            try:
                await self._extend(caller, lease, cost - lease.left, limit)
            except (RedisError, OSError):
                self._metrics.quota_unchecked.inc()
                self._away_until = now + AWAY_S
                return None
        lease.left -= cost
        return Spent(limit, lease.left + lease.shared_left, max(0, int(lease.resets_at - now)))

    async def close(self) -> None:
        """Close the connection to Valkey."""
        await cast("Any", self._storage.bridge).get_connection().aclose()

    def _lease(self, caller: str) -> _Lease:
        lease = self._leases.get(caller)
        if lease is None:
            lease = self._leases[caller] = _Lease()
            if len(self._leases) > CALLERS_MAX:
                self._leases.popitem(last=False)
        else:
            self._leases.move_to_end(caller)
        return lease

    async def _extend(self, caller: str, lease: _Lease, need: int, limit: int) -> None:
        """Take a share of the caller's minute from Valkey, or just what is needed."""
        item = RateLimitItemPerMinute(limit)
        wanted = max(need, min(2 * lease.share, limit // LEASE_SHARE))
        for share in dict.fromkeys((wanted, need)):
            if await self._limiter.hit(item, caller, cost=share):
                break
        else:
            stats = await self._limiter.get_window_stats(item, caller)
            raise QuotaExceeded(need, stats.remaining, limit, _seconds_to(stats.reset_time))
        stats = await self._limiter.get_window_stats(item, caller)
        now = seconds()
        # Others of this process may have spent or taken meanwhile: add, do not set.
        lease.left += share
        lease.share = share
        lease.until = now + LEASE_S
        lease.shared_left = stats.remaining
        lease.resets_at = now + _seconds_to(stats.reset_time)


def _seconds_to(reset_time: float) -> int:
    """Return whole seconds until a moment of the machine's clock, as the library tells it: 1 to
    60.
    """
    return min(WINDOW_S, max(1, ceil(reset_time - system_clock().timestamp())))

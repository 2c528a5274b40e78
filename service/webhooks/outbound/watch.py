"""Metrics of deliveries: the backlog from the database, attempts from Valkey.

Workers make the attempts and add them up in one hash of Valkey, which the API shows.
"""

from collections import Counter
from collections.abc import Awaitable
from typing import cast

from prometheus_client import CollectorRegistry, Gauge
from prometheus_client.metrics_core import CounterMetricFamily, Metric
from redis.exceptions import RedisError
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from service.resources import Resources
from service.webhooks.outbound.attempt import RESULTS
from service.webhooks.outbound.store import backlog

ATTEMPTS_KEY = "sx:webhooks:attempts"  # hash: result -> count, since the last flush


class Watch:
    """Sets the gauges of deliveries before metrics are shown; an outage leaves the last figures."""

    def __init__(self, resources: Resources, registry: CollectorRegistry) -> None:
        self._resources = resources
        self._attempts: dict[str, int] = {}
        self._waiting = Gauge(
            "saxaul_webhook_backlog", "Deliveries that wait, counted up to 100,000.",
            registry=registry,
        )  # fmt: skip
        self._oldest = Gauge(
            "saxaul_webhook_oldest_seconds", "Age of the oldest delivery that waits.",
            registry=registry,
        )  # fmt: skip
        registry.register(self)

    async def __call__(self) -> None:
        """Read the backlog and the attempts, and set the gauges."""
        try:
            async with self._resources.sessions() as session:
                waiting, oldest_s = await backlog(session, self._resources.clock())
            self._waiting.set(waiting)
            self._oldest.set(oldest_s)
            found = await cast(
                "Awaitable[dict[str, str]]", self._resources.valkey.hgetall(ATTEMPTS_KEY)
            )
            self._attempts = {name: int(count) for name, count in found.items()}
        except (DBAPIError, PoolTimeout, RedisError, OSError):
            return

    def collect(self) -> list[Metric]:
        """Return the attempts, as Prometheus' client asks for them."""
        family = CounterMetricFamily(
            "saxaul_webhook_attempts", "Attempts at deliveries, by result.", labels=["result"]
        )
        for result in RESULTS:
            family.add_metric([result], self._attempts.get(result, 0))
        return [family]


async def count_attempts(resources: Resources, results: Counter[str]) -> None:
    """Add attempts up; without Valkey they are not counted."""
    try:
        async with resources.valkey.pipeline(transaction=False) as commands:
            for result, count in results.items():
                commands.hincrby(ATTEMPTS_KEY, result, count)
            await commands.execute()
    except (RedisError, OSError):
        return

"""What operators watch, counted by hand: no middleware, nothing per event but an addition."""

from collections import Counter as Tally

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """The metrics of one process; a registry of its own, so that tests can have several."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._events = Counter(
            "saxaul_events_total", "Events answered, by outcome.", ["outcome"],
            registry=self.registry,
        )  # fmt: skip
        self._batch = Histogram(
            "saxaul_commit_events", "Events in one commit.", registry=self.registry,
            buckets=(1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 4000),
        )  # fmt: skip
        self._seconds = Histogram(
            "saxaul_commit_seconds", "Time of one commit, tries included.", registry=self.registry,
            buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10),
        )  # fmt: skip
        self.lane_depth = Gauge(
            "saxaul_lane_events", "Events that wait or are being committed.", registry=self.registry
        )
        self.streams = Gauge(
            "saxaul_streams", "Listeners of the totals' stream.", registry=self.registry
        )

    def answered(self, outcomes: Tally[str]) -> None:
        """Count answered events."""
        for outcome, count in outcomes.items():
            self._events.labels(outcome).inc(count)

    def committed(self, events: int, seconds: float) -> None:
        """Note one commit."""
        self._batch.observe(events)
        self._seconds.observe(seconds)

    def text(self) -> bytes:
        """Everything in Prometheus' text format."""
        return generate_latest(self.registry)

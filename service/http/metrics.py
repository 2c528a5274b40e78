"""What operators watch, counted by hand: nothing per event but an addition.

Several API processes behind one socket share their figures through files, where
PROMETHEUS_MULTIPROC_DIR names a folder: whichever process is asked answers for all of them.
"""

import os
import platform
from collections import Counter as Tally
from pathlib import Path

from prometheus_client import (
    GC_COLLECTOR,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
SHARED_DIR = "PROMETHEUS_MULTIPROC_DIR"


class Metrics:
    """The metrics of one process; a registry of its own, so that tests can have several."""

    def __init__(self, version: str) -> None:
        registry = self.registry = CollectorRegistry()
        self._events = Counter(
            "saxaul_events_total", "Events answered, by outcome.", ["outcome"], registry=registry
        )
        self._batch = Histogram(
            "saxaul_commit_events", "Events in one commit.", registry=registry,
            buckets=(1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 4000),
        )  # fmt: skip
        self._seconds = Histogram(
            "saxaul_commit_seconds", "Time of one commit, tries included.", registry=registry,
            buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10),
        )  # fmt: skip
        self._requests = Counter(
            "saxaul_requests_total", "Requests answered, by status.", ["status"], registry=registry
        )
        self._request_seconds = Histogram(
            "saxaul_request_seconds", "Time from a request's head to the end of its answer.",
            registry=registry,
            buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10),
        )  # fmt: skip
        self._by_status: dict[int, Counter] = {}  # looking a label up costs more than counting
        self._by_outcome: dict[str, Counter] = {}
        self.lane_depth = Gauge(
            "saxaul_lane_events", "Events that wait or are being committed.", registry=registry,
            multiprocess_mode="livesum",
        )  # fmt: skip
        self.streams = Gauge(
            "saxaul_streams", "Listeners of the totals' stream.", registry=registry,
            multiprocess_mode="livesum",
        )  # fmt: skip
        self.lag = Gauge(
            "saxaul_projection_lag_seconds", "Age of the oldest journal row not applied yet.",
            ["projector"], registry=registry, multiprocess_mode="mostrecent",
        )  # fmt: skip
        self.quota_unchecked = Counter(
            "saxaul_quota_unchecked_total", "Times that Valkey could not be asked for a quota.",
            registry=registry,
        )  # fmt: skip
        self._refused = Counter(
            "saxaul_connection_refusals_total", "Connections closed for what came in, by problem.",
            ["problem"], registry=registry,
        )  # fmt: skip
        build = Gauge(
            "saxaul_build_info", "1; the labels say what runs.", ["version", "python"],
            registry=registry, multiprocess_mode="max",
        )  # fmt: skip
        build.labels(version, platform.python_version()).set(1)
        ProcessCollector(registry=registry)
        registry.register(GC_COLLECTOR)

    def answered(self, outcomes: Tally[str]) -> None:
        """Count answered events."""
        for outcome, count in outcomes.items():
            counter = self._by_outcome.get(outcome)
            if counter is None:
                counter = self._by_outcome[outcome] = self._events.labels(outcome)
            counter.inc(count)

    def committed(self, events: int, seconds: float) -> None:
        """Note one commit."""
        self._batch.observe(events)
        self._seconds.observe(seconds)

    def refused(self, problem: str) -> None:
        """Note a connection that was closed before a request reached the application."""
        self._refused.labels(problem).inc()

    def served(self, status: int, seconds: float | None) -> None:
        """Note one request; None for one whose length says nothing."""
        counter = self._by_status.get(status)
        if counter is None:
            counter = self._by_status[status] = self._requests.labels(str(status))
        counter.inc()
        if seconds is not None:
            self._request_seconds.observe(seconds)

    def text(self) -> bytes:
        """Return everything in Prometheus' text format, of all processes that share a folder."""
        folder = os.environ.get(SHARED_DIR)
        if folder is None:
            return generate_latest(self.registry)
        _forget_dead(Path(folder))
        shared = CollectorRegistry()
        MultiProcessCollector(shared)  # type: ignore[no-untyped-call]
        return generate_latest(shared)


class NoMetrics(Metrics):
    """Counts nothing of what happens often: what the benchmark holds the others against."""

    def answered(self, outcomes: Tally[str]) -> None:
        """Count nothing."""

    def committed(self, events: int, seconds: float) -> None:
        """Count nothing."""

    def served(self, status: int, seconds: float | None) -> None:
        """Count nothing."""


def _forget_dead(folder: Path) -> None:
    """Take processes that have ended out of the gauges that several share."""
    for file in folder.glob("gauge_live*.db"):
        pid = int(file.stem.rpartition("_")[2])
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            mark_process_dead(pid, str(folder))  # type: ignore[no-untyped-call]
        except PermissionError:
            continue  # it lives, and is somebody else's

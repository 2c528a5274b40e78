"""What the worker shows to operators, on a port of its own; it answers no other requests."""

from prometheus_client import GC_COLLECTOR, CollectorRegistry, Counter, Gauge, ProcessCollector

from service.journal.append import PROJECTORS


class WorkerMetrics:
    """The worker's figures; a registry of its own, so that tests can have several."""

    def __init__(self) -> None:
        registry = self.registry = CollectorRegistry()
        self._applied = Counter(
            "saxaul_journal_rows_total", "Journal rows applied.", ["projector"], registry=registry
        )
        self.rebuilds = Counter(
            "saxaul_live_rebuilds_total", "Times that Valkey's counters were made anew.",
            registry=registry,
        )  # fmt: skip
        self.faults = Counter(
            "saxaul_worker_faults_total", "Steps that failed and are tried again.", ["loop"],
            registry=registry,
        )  # fmt: skip
        self.moved = Counter(
            "saxaul_guard_moves_total", "Cells of the totals that the guard moved.",
            registry=registry,
        )  # fmt: skip
        self.holds = Gauge(
            "saxaul_holds", "Partners' days that are held for an implausible mean.",
            registry=registry,
        )  # fmt: skip
        for projector in PROJECTORS:
            self._applied.labels(projector)
        ProcessCollector(registry=registry)
        registry.register(GC_COLLECTOR)

    def applied(self, projector: str, rows: int) -> None:
        """Note journal rows that a projector has applied."""
        if rows:
            self._applied.labels(projector).inc(rows)

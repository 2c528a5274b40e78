"""What a Locust run came to: the tally of all answers, judged against budget.toml at its end.

Distributed, each Locust worker's tally goes to the master, which judges.
"""

import json
import os
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from locust import events
from locust.env import Environment
from locust.runners import WorkerRunner

from loadtest.audit import check_identity
from loadtest.tally import Tally

BUDGET = Path(__file__).with_name("budget.toml")
RESULT = "SAXAUL_LOAD_RESULT"  # a file that the tally and the verdict are written to
TALLY = Tally(facts=set())


@dataclass(frozen=True, slots=True)
class Verdict:
    """A kind of request is judged by its p95 and its error rate against its budget."""

    name: str
    requests: int
    p95_ms: float
    p95_budget_ms: float
    error_rate: float
    error_budget: float

    @property
    def within_budget(self) -> bool:
        """Whether both are within the budget."""
        return self.p95_ms <= self.p95_budget_ms and self.error_rate <= self.error_budget

    def __str__(self) -> str:
        return (
            f"{'kept  ' if self.within_budget else 'BROKEN'}  {self.name:<28} "
            f"{self.requests:>7} requests  "
            f"p95 {self.p95_ms:>6,.0f} of {self.p95_budget_ms:>6,.0f} ms  "
            f"errors {self.error_rate:.3%} of {self.error_budget:.3%}"
        )


def judge(environment: Environment) -> list[Verdict]:
    """The verdict on every kind of request that was sent."""
    budget = tomllib.loads(BUDGET.read_text())
    default = budget.pop("default")
    judged = []
    for entry in sorted(environment.stats.entries.values(), key=lambda one: str(one.name)):
        name = str(entry.name)
        limits = {**default, **budget.get(name, {})}
        judged.append(
            Verdict(
                name=name,
                requests=entry.num_requests,
                p95_ms=float(entry.get_response_time_percentile(0.95)),
                p95_budget_ms=limits["p95_ms"],
                error_rate=entry.fail_ratio,
                error_budget=limits["error_rate"],
            )
        )
    return judged


@events.report_to_master.add_listener  # type: ignore[untyped-decorator]  # Locust has no types
def _send(data: dict[str, Any], **_: object) -> None:
    data["tally"] = TALLY.as_dict()
    TALLY.clear()


@events.worker_report.add_listener  # type: ignore[untyped-decorator]  # Locust has no types
def _receive(data: dict[str, Any], **_: object) -> None:
    TALLY.add(Tally.from_dict(data["tally"]))


@events.quitting.add_listener  # type: ignore[untyped-decorator]  # Locust has no types
def _end(environment: Environment, **_: object) -> None:
    if isinstance(environment.runner, WorkerRunner):
        return
    judged, identity = judge(environment), check_identity(TALLY)
    print("\nBudget", file=sys.stderr)
    for one in judged:
        print(one, file=sys.stderr)
    print(f"{'holds ' if identity.holds else 'BROKEN'}  {identity.shown}", file=sys.stderr)
    good = bool(judged) and all(one.within_budget for one in judged) and identity.holds
    environment.process_exit_code = 0 if good else 1
    if file := os.environ.get(RESULT):
        budget = [str(one) for one in judged]
        Path(file).write_text(
            json.dumps({"tally": TALLY.as_dict(), "within_budget": good, "budget": budget})
        )

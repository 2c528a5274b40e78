"""Proof after a run: every accepted event has one outcome, and the service's own books balance.

A load test that only counts answers proves nothing. Standard library only.
"""

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

RECORDED = ("credited", "capped", "zero")  # what the public totals count
OUTCOMES = (*RECORDED, "refused", "already_claimed", "duplicate")
RECONCILE_WAIT_S = 60
RECONCILE_LIMIT_S = 900


@dataclass(slots=True)
class Tally:
    """What became of the events that were sent, as the answers told it.

    `sent` is what we put into the requests, `outcomes` what came back; `lost` are events without
    an answer, which may or may not be recorded.
    """

    sent: int = 0
    problems: int = 0
    unavailable: int = 0
    lost: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)

    def add_batch(self, events: int, status: int, body: bytes) -> None:
        """Count the answer to a batch of `events` events."""
        if status != 200:
            self._add_failure(events, status)
            return
        self.sent += events
        counts = counts_of(body)
        self.problems += counts.pop("problem", 0)
        self.outcomes.update(counts)

    def add_single(self, status: int, body: bytes) -> None:
        """Count the answer to one event."""
        if status not in (200, 201):
            self._add_failure(1, status)
            return
        self.sent += 1
        if b'"duplicate":true' in body:
            self.outcomes["duplicate"] += 1
        else:
            self.outcomes[body.partition(b'"outcome":"')[2].partition(b'"')[0].decode()] += 1

    def add(self, other: "Tally") -> None:
        """Count what another tally counted."""
        self.sent += other.sent
        self.problems += other.problems
        self.unavailable += other.unavailable
        self.lost += other.lost
        self.outcomes.update(other.outcomes)

    def clear(self) -> None:
        """Forget everything; it was handed on."""
        self.sent = self.problems = self.unavailable = self.lost = 0
        self.outcomes.clear()

    def _add_failure(self, events: int, status: int) -> None:
        if status == 0:
            self.lost += events
            return
        self.sent += events
        if status == 503:
            self.unavailable += events
        else:
            self.problems += events

    @property
    def accepted(self) -> int:
        """Events that were taken: all but those with a problem or sent away."""
        return self.sent - self.problems - self.unavailable

    @property
    def recorded(self) -> int:
        """Events that must now be in the public totals."""
        return sum(self.outcomes[name] for name in RECORDED)

    def as_dict(self) -> dict[str, object]:
        """For JSON; `from_dict` reads it."""
        return {
            "sent": self.sent,
            "problems": self.problems,
            "unavailable": self.unavailable,
            "lost": self.lost,
            "outcomes": dict(self.outcomes),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, object]) -> "Tally":
        """What `as_dict` gave."""
        rest = {name: value for name, value in values.items() if name != "outcomes"}
        outcomes: Counter[str] = Counter(values["outcomes"])  # type: ignore[call-overload]  # JSON
        return cls(**rest, outcomes=outcomes)  # type: ignore[arg-type]  # JSON


@dataclass(frozen=True, slots=True)
class Check:
    """One rule of the books: whether it holds, and the figures."""

    rule: str
    holds: bool
    shown: str


def counts_of(body: bytes) -> dict[str, int]:
    """`counts` of a batch's answer; read from its end where it can be, since that is cheap."""
    at = body.rfind(b'"counts":')
    try:
        found = json.loads(body[at + len(b'"counts":') : -1])
    except ValueError:
        found = json.loads(body)["counts"]
    return dict(found)


def check_identity(tally: Tally) -> Check:
    """accepted = credited + capped + zero + refused + already_claimed + duplicates."""
    unknown = {name: n for name, n in tally.outcomes.items() if name not in OUTCOMES}
    parts = " + ".join(f"{tally.outcomes[name]:,} {name}" for name in OUTCOMES)
    right = sum(tally.outcomes[name] for name in OUTCOMES)
    shown = f"{tally.accepted:,} accepted = {parts}"
    if unknown:
        shown += f"; unknown outcomes {unknown}"
    return Check("every accepted event has one outcome", tally.accepted == right, shown)


def check_totals(tally: Tally, *, before: int, after: int, alone: bool) -> Check:
    """What the answers called recorded is in GET /v1/totals; exactly so when we were `alone`.

    Events without an answer may have been recorded, so they make the rule one-sided.
    """
    grown = after - before
    exact = alone and tally.lost == 0
    holds = grown == tally.recorded if exact else grown >= tally.recorded
    relation = "=" if exact else ">="
    return Check(
        "the public totals grew by what was answered",
        holds,
        f"{grown:,} actions more {relation} {tally.recorded:,} credited, capped or zero",
    )


def run_reconcile(home: Path) -> Check:
    """`saxaul reconcile`, as an operator runs it."""
    done = subprocess.run(
        [sys.executable, "-m", "service.cli", "reconcile", "--wait", str(RECONCILE_WAIT_S)],
        env={**os.environ, "SAXAUL_HOME": str(home), "COLUMNS": "160"},
        capture_output=True,
        text=True,
        timeout=RECONCILE_LIMIT_S,
        check=False,
    )
    shown = f"exit code {done.returncode}"
    if done.returncode != 0:
        shown += f"\n{done.stdout}{done.stderr}"
    return Check("saxaul reconcile", done.returncode == 0, shown)

"""The audit of a run: every accepted event has one outcome, and the totals grew by just that.

A load test that only counts answers proves nothing. Standard library only.
"""

import json
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

RECORDED = ("credited", "capped", "zero")  # what the public totals count
OUTCOMES = (*RECORDED, "refused", "already_claimed", "duplicate")
NAMED = re.compile(rb'"(?:action|order)_id":"([0-9a-f-]{36})"')
RECONCILE_WAIT_S = 60
RECONCILE_LIMIT_S = 900


@dataclass(slots=True)
class Tally:
    """What became of the events that were sent, as the answers told it.

    `sent` is what we put into the requests, `outcomes` what came back; `lost` are events without
    an answer, which may or may not be recorded. `facts` are the ids of all actions and orders that
    answers named, kept where receivers of webhooks are asked about them; None keeps none.
    """

    sent: int = 0
    problems: int = 0
    unavailable: int = 0
    lost: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    orders: Counter[str] = field(default_factory=Counter)
    facts: set[str] | None = None

    def add_batch(self, events: int, status: int, body: bytes) -> None:
        """Count the answer to a batch of `events` events."""
        if status != 200:
            self._add_failure(events, status)
            return
        self.sent += events
        self._note_facts(body)
        counts = counts_of(body)
        self.problems += counts.pop("problem", 0)
        self.outcomes.update(counts)

    def add_single(self, status: int, body: bytes) -> None:
        """Count the answer to one event."""
        if status not in (200, 201):
            self._add_failure(1, status)
            return
        self.sent += 1
        self._note_facts(body)
        if b'"duplicate":true' in body:
            self.outcomes["duplicate"] += 1
        else:
            self.outcomes[body.partition(b'"outcome":"')[2].partition(b'"')[0].decode()] += 1

    def add_order(self, status: int, body: bytes) -> None:
        """Count the answer to an order: placed, or the problem that it met."""
        if status == 201:
            self._note_facts(body)
            self.orders["placed"] += 1
        elif status == 0:
            self.orders["lost"] += 1
        else:
            self.orders[body.partition(b'"/problems/')[2].partition(b'"')[0].decode()] += 1

    def add(self, other: "Tally") -> None:
        """Count what another tally counted."""
        self.sent += other.sent
        self.problems += other.problems
        self.unavailable += other.unavailable
        self.lost += other.lost
        self.outcomes.update(other.outcomes)
        self.orders.update(other.orders)
        if self.facts is not None and other.facts is not None:
            self.facts |= other.facts

    def clear(self) -> None:
        """Forget everything; it was handed on."""
        self.sent = self.problems = self.unavailable = self.lost = 0
        self.outcomes.clear()
        self.orders.clear()
        if self.facts is not None:
            self.facts.clear()

    def _note_facts(self, body: bytes) -> None:
        if self.facts is not None:
            self.facts.update(name.decode() for name in NAMED.findall(body))

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
            "orders": dict(self.orders),
            **({} if self.facts is None else {"facts": sorted(self.facts)}),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Tally":
        """What `as_dict` gave."""
        facts = values.get("facts")
        return cls(
            sent=values["sent"],
            problems=values["problems"],
            unavailable=values["unavailable"],
            lost=values["lost"],
            outcomes=Counter(values["outcomes"]),
            orders=Counter(values["orders"]),
            facts=None if facts is None else set(facts),
        )


@dataclass(frozen=True, slots=True)
class Deliveries:
    """What a receiver of webhooks got, apart from what came again with the same id.

    `facts` is how often each action or order was delivered, `gaps` counts the people whose notices
    are not numbered 1, 2, 3 and so on.
    """

    messages: int
    repeats: int
    badly_signed: int
    facts: Mapping[str, int]
    gaps: int


@dataclass(frozen=True, slots=True)
class Check:
    """One rule of the audit: whether it holds, and the figures."""

    rule: str
    holds: bool
    shown: str

    def __str__(self) -> str:
        return f"{'holds ' if self.holds else 'BROKEN'}  {self.rule}: {self.shown}"


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


def check_stock(tally: Tally, stock: int, left: int) -> Check:
    """The project that only we ordered from sold what was answered, and no more than it had."""
    placed = tally.orders["placed"]
    exact = not tally.orders["lost"]
    sold = stock - left
    holds = 0 <= sold <= stock and (sold == placed if exact else sold >= placed)
    shown = f"{sold:,} of {stock:,} trees sold {'=' if exact else '>='} {placed:,} orders placed"
    return Check("no more is sold than there is", holds, shown)


def check_delivered(answered: set[str], came: Deliveries, *, exact: bool) -> Check:
    """Every action and order that an answer named was delivered once, after de-duplication.

    `exact`: and nothing else was, since we were alone and no answer was lost.
    """
    missing, strange = answered - came.facts.keys(), came.facts.keys() - answered
    twice = [name for name, times in came.facts.items() if times > 1]
    wrong = {
        "never delivered": missing,
        "delivered under two ids": twice,
        "delivered and never answered": strange if exact else (),
    }
    shown = (
        f"{len(came.facts):,} actions and orders delivered {'=' if exact else '>='} "
        f"{len(answered):,} answered, in {came.messages:,} messages and {came.repeats:,} repeats"
    )
    shown += "".join(
        f"; {len(names):,} {what}, such as {next(iter(names))}"
        for what, names in wrong.items()
        if names
    )
    if came.badly_signed:
        shown += f"; {came.badly_signed:,} badly signed"
    if came.gaps:
        shown += f"; notices about {came.gaps:,} people are not numbered without a gap"
    holds = not any(wrong.values()) and not came.badly_signed and not came.gaps
    return Check("webhooks delivered each action once", holds, shown)


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

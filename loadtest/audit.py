"""The audit of a run: every accepted event has one outcome, and the totals grew by just that.

A load test that only counts answers shows that a server is quick, not that it is right. Standard
library only.
"""

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from loadtest.tally import OUTCOMES, Tally

RECONCILE_WAIT_S = 60
RECONCILE_LIMIT_S = 900


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
    """A check is one rule of the audit: whether it holds, and the figures that say so."""

    rule: str
    holds: bool
    shown: str

    def __str__(self) -> str:
        return f"{'holds ' if self.holds else 'BROKEN'}  {self.rule}: {self.shown}"


def check_identity(tally: Tally) -> Check:
    """The accepted events are as many as all outcomes together."""
    unknown = {name: n for name, n in tally.outcomes.items() if name not in OUTCOMES}
    parts = " + ".join(f"{tally.outcomes[name]:,} {name}" for name in OUTCOMES)
    right = sum(tally.outcomes[name] for name in OUTCOMES)
    shown = f"{tally.accepted:,} accepted = {parts}"
    if unknown:
        shown += f"; unknown outcomes {unknown}"
    return Check("every accepted event has one outcome", tally.accepted == right, shown)


def check_totals(tally: Tally, *, before: int, after: int, alone: bool) -> Check:
    """The public totals grew by what was answered as recorded; exactly so when we were `alone`.

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
    missing, unexpected = answered - came.facts.keys(), came.facts.keys() - answered
    twice = [name for name, times in came.facts.items() if times > 1]
    wrong = {
        "never delivered": missing,
        "delivered under two ids": twice,
        "delivered and never answered": unexpected if exact else (),
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
    """This runs `saxaul reconcile` as an operator does; the check holds when it exits with 0."""
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

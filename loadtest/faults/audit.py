"""The audit of a fault: what must hold afterwards, whatever the fault was."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import ExitStack, asynccontextmanager

from loadtest.audit import Check, check_delivered, run_reconcile
from loadtest.faults.workload import Workload
from loadtest.receiver import Receiver, receiving
from loadtest.system import System

FIGURES = ("actions", "avoided_mg", "points")
SETTLE_S = 60.0
DELIVER_S = 120.0  # what failed while the network was bad comes again, the later the more often
POLL_S = 0.1


def figures_of(system: System) -> dict[str, int]:
    """The public totals that must grow by exactly what was answered, by name."""
    totals = system.totals()
    return {name: int(totals[name]) for name in FIGURES}


@asynccontextmanager
async def receiver_of(system: System) -> AsyncIterator[Receiver | None]:
    """A receiver of webhooks for the time of the block; None where none may be."""
    with ExitStack() as stack:
        receiver = await asyncio.to_thread(stack.enter_context, receiving(system))
        try:
            yield receiver
        finally:
            await asyncio.to_thread(stack.close)


async def audit_fault(
    workload: Workload, before: Mapping[str, int], receiver: Receiver | None
) -> list[Check]:
    """This sends everything again, twice, and compares totals and webhooks with the answers.

    `before` are the figures from before the load. The first repeat also brings in what had no
    answer, so the second one must change nothing.
    """
    observed, system = workload.observed, workload.system
    acknowledged = set(observed.answers)
    lost = acknowledged & await workload.send_all_again()
    expected = _plus(before, workload)
    after = await _settled(system, expected)
    new = await workload.send_all_again()
    repeated = await asyncio.to_thread(figures_of, system)
    delivered = []
    if receiver is not None:
        facts = {str(one["action_id"]) for one in observed.answers.values()}
        messages = await asyncio.to_thread(receiver.settled, facts, seconds=DELIVER_S)
        delivered.append(check_delivered(facts, messages, exact=True))
    reconciled = await asyncio.to_thread(run_reconcile, system.home)
    return [
        Check(
            "nothing acknowledged is lost",
            not lost and not new,
            f"{len(acknowledged):,} acknowledged events are duplicates now, with the same answer"
            if not lost and not new
            else f"lost {sorted(lost)[:3]}, recorded only now {sorted(new)[:3]}",
        ),
        Check(
            "nothing is counted twice",
            after == expected and repeated == after,
            f"totals were {_shown(before)}, are {_shown(after)}, should be {_shown(expected)}; "
            f"after another repeat {_shown(repeated)}",
        ),
        Check(
            "every answer was true",
            not observed.wrong,
            "; ".join(observed.wrong[:3])
            or "no answer changed, and each refusal was 429 or 503 with Retry-After",
        ),
        *delivered,
        reconciled,
    ]


def _plus(before: Mapping[str, int], workload: Workload) -> dict[str, int]:
    """The figures that the totals should have, from those of before and the distinct answers."""
    recorded = workload.observed.recorded()
    return {
        "actions": before["actions"] + len(recorded),
        "avoided_mg": before["avoided_mg"] + sum(int(one["avoided_mg"]) for one in recorded),
        "points": before["points"] + sum(int(one["points"]) for one in recorded),
    }


async def _settled(system: System, expected: Mapping[str, int]) -> dict[str, int]:
    deadline = time.monotonic() + SETTLE_S
    while (found := await asyncio.to_thread(figures_of, system)) != expected:
        if time.monotonic() > deadline:
            break
        await asyncio.sleep(POLL_S)
    return found


def _shown(figures: Mapping[str, int]) -> str:
    return f"{figures['actions']:,} actions, {figures['avoided_mg']:,} mg, {figures['points']:,} p"

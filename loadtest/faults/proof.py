"""What must hold after a fault, whatever it was."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import ExitStack, asynccontextmanager
from typing import Any

from loadtest.audit import Check, check_told, run_reconcile
from loadtest.faults.witness import Witness
from loadtest.receiver import Receiver, receiving
from loadtest.system import System, totals_of

FIGURES = ("actions", "avoided_mg", "points")
SETTLE_S = 60.0
TELL_S = 120.0  # what failed while the network was bad comes again, the later the more often
POLL_S = 0.1


def figures_of(system: System) -> dict[str, int]:
    """What of the public totals must grow by exactly what was answered."""
    totals = totals_of(system.url)
    return {name: int(totals[name]) for name in FIGURES}


@asynccontextmanager
async def told_by(system: System) -> AsyncIterator[Receiver | None]:
    """A receiver of webhooks for the time of the block, started and ended beside this loop."""
    with ExitStack() as stack:
        receiver = await asyncio.to_thread(stack.enter_context, receiving(system))
        try:
            yield receiver
        finally:
            await asyncio.to_thread(stack.close)


async def prove(
    witness: Witness, before: Mapping[str, int], receiver: Receiver | None
) -> list[Check]:
    """Send everything again, twice; compare totals and webhooks with the answers; reconcile.

    The first time also brings in what had no answer, so the second must change nothing.
    """
    seen, system = witness.seen, witness.system
    acknowledged = set(seen.answers)
    lost = acknowledged & await witness.send_all_again()
    after = await _settled(system, _expected(before, witness))
    twice = await witness.send_all_again()
    grown = {name: after[name] - before[name] for name in FIGURES}
    expected = _expected(dict.fromkeys(FIGURES, 0), witness)
    again = await asyncio.to_thread(figures_of, system)
    told = []
    if receiver is not None:
        facts = {str(one["action_id"]) for one in seen.answers.values()}
        kept = await asyncio.to_thread(receiver.settled, facts, seconds=TELL_S)
        told.append(check_told(facts, kept, exact=True))
    reconciled = await asyncio.to_thread(run_reconcile, system.home)
    return [
        Check(
            "nothing acknowledged is lost",
            not lost and not twice,
            f"{len(acknowledged):,} acknowledged events are duplicates now, with the same answer"
            if not lost and not twice
            else f"lost {sorted(lost)[:3]}, not kept {sorted(twice)[:3]}",
        ),
        Check(
            "nothing is counted twice",
            grown == expected and again == after,
            f"totals grew by {_shown(grown)}; answered were {_shown(expected)}; "
            f"after another repeat {_shown({n: again[n] - before[n] for n in FIGURES})}",
        ),
        Check(
            "every answer was true",
            not seen.wrong,
            "; ".join(seen.wrong[:3])
            or "no answer changed, and each refusal was 429 or 503 and said when to come back",
        ),
        *told,
        reconciled,
    ]


def _expected(before: Mapping[str, int], witness: Witness) -> dict[str, int]:
    recorded: list[dict[str, Any]] = witness.seen.recorded()
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

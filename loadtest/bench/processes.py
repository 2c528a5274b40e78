"""One API process and two, on the same machine: what the second one brings."""

import asyncio

from loadtest.bench.parts import Bench, Unsound
from loadtest.books import check_identity, check_totals, run_reconcile
from loadtest.system import actions_in_totals, settled_actions, started

TWO = 2
SETTLE_S = 60.0
PATIENT = {"SAXAUL_LANE_QUEUE_SECONDS": "60"}  # how much goes through, not how long it takes


async def two_processes(bench: Bench) -> None:
    """Batches and single events to a system of its own with two API processes.

    Raises Unsound when its books do not balance: then the second process brings nothing.
    """
    if not bench.system.alone:
        bench.notes.append("no second API process: the system is not ours to start")
        return
    environment = {"SAXAUL_WORKERS": str(TWO), **PATIENT}
    with started(bench.system.home.parent.parent, **environment) as system:
        two = Bench(system, bench.plan, bench.naive_url, bench.empty_url, bench.naive_collect_url)
        before = actions_in_totals(system.url)
        await two.warm_up_events()
        await two.batches_500()
        await two.single()
        after = settled_actions(system.url, before + two.tally.recorded, seconds=SETTLE_S)
        checks = (
            check_identity(two.tally),
            check_totals(two.tally, before=before, after=after, alone=True),
            await asyncio.to_thread(run_reconcile, system.home),
        )
    for check in checks:
        if not check.holds:
            raise Unsound(f"two API processes: {check.rule}: {check.shown}")
    for name in ("batch500", "single"):
        bench.figures[f"{name} two"].extend(two.figures[name])

"""`python -m loadtest.faults [NAME ...]`: break things one by one under load, then audit.

Starts systems of its own. After each fault everything that was sent is sent again: what was
acknowledged must be answered as before, the totals must have grown by exactly that, each action
must have been delivered once to a receiver of webhooks, and `saxaul reconcile` must pass. Exit code
0 when all of it holds, 1 when something does not. The seed decides the order of the faults, their
moments and the mix of events; it is printed, and `--seed` runs the same again.
"""

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from random import Random, SystemRandom

from rich.console import Console
from rich.table import Table

from loadtest.audit import Check
from loadtest.faults.audit import audit_fault, figures_of, receiver_of
from loadtest.faults.injection import FAULTS, Fault
from loadtest.faults.targets import NotFelt, Skipped, Targets
from loadtest.faults.workload import NotRecovered, Workload
from loadtest.harness import NotRunning
from loadtest.system import exit_code, temporary_folder, terminable

WIDTH = 130
FAULT_LIMIT_S = 300.0
LOAD_SHARES = (0.3, 0.7)  # of the fault's time: the load before it, and the load after it


@dataclass(slots=True)
class Result:
    """The result of one fault: why it was skipped or failed, what was sent, and the audit."""

    name: str
    skipped: str = ""
    failed: str = ""
    sent: int = 0
    unanswered: int = 0
    refusals: dict[str, int] = field(default_factory=dict)
    recovery_s: float = 0.0
    slowest_s: float = 0.0
    took_s: float = 0.0
    checks: list[Check] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        """Whether nothing is wrong; a fault that was skipped shows nothing, either way."""
        return not self.failed and all(check.holds for check in self.checks)


def main() -> int:
    """This reads the command line, runs and prints; it returns the exit code."""
    options = read_options()
    if options.list:
        for fault in FAULTS.values():
            print(f"{fault.name:<18} {fault.what}")
        return 0
    err = Console(stderr=True)
    with temporary_folder(options.dir) as folder, terminable():
        results = asyncio.run(_run(options, folder, err))
    _show(Console(width=None if sys.stdout.isatty() else WIDTH), results)
    if options.json:
        options.json.write_text(json.dumps([asdict(one) for one in results], indent=2) + "\n")
    return 0 if all(result.holds for result in results) else 1


async def _run(options: argparse.Namespace, folder: Path, err: Console) -> list[Result]:
    """This injects the faults one after the other, in the order that the seed gives."""
    chance, targets, results = Random(options.seed), Targets(folder), []
    err.print(f"seed {options.seed}", highlight=False)
    try:
        for name in chance.sample(options.names, len(options.names)):
            err.print(f"{name}: {FAULTS[name].what} ...", style="dim", highlight=False)
            result = await _one(FAULTS[name], targets, options, chance)
            err.print(f"{name}: {_verdict(result)} in {result.took_s:.1f} s", highlight=False)
            results.append(result)
    finally:
        await targets.stop()
    return results


async def _one(
    fault: Fault, targets: Targets, options: argparse.Namespace, chance: Random
) -> Result:
    """This injects one fault under load, and audits."""
    result, began = Result(fault.name), time.monotonic()
    before_s, after_s = (options.seconds * chance.uniform(*LOAD_SHARES) for _ in range(2))
    try:
        async with (
            asyncio.timeout(FAULT_LIMIT_S),
            fault.target(targets) as target,
            receiver_of(target.system) as receiver,
        ):
            before = await asyncio.to_thread(figures_of, target.system)
            seed = chance.getrandbits(32)
            workload = Workload(target.system, target.urls, options.clients, seed)
            target.refused = workload.observed.refusals.total
            async with workload.running() as observed:
                await workload.recovery_s()
                await asyncio.sleep(before_s)
                await fault.inject(target, options.seconds)
                result.recovery_s = await workload.recovery_s()
                await asyncio.sleep(after_s)
            result.sent = len(observed.sent)
            result.unanswered = len(observed.sent.keys() - observed.answers.keys())
            result.refusals, result.slowest_s = dict(observed.refusals), observed.slowest_s
            result.checks = await audit_fault(workload, before, receiver)
    except* Skipped as group:
        result.skipped = _first(group)
    except* (NotFelt, NotRecovered, NotRunning) as group:
        result.failed = _first(group)
    except* TimeoutError:
        result.failed = f"not over after {FAULT_LIMIT_S:.0f} s"
    result.took_s = time.monotonic() - began
    return result


def _first(group: BaseExceptionGroup) -> str:
    """The message of the first error in nested groups."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return str(error)


def _verdict(result: Result) -> str:
    if result.skipped:
        return "skipped"
    return "holds" if result.holds else "BROKEN"


def _show(console: Console, results: Sequence[Result]) -> None:
    table = Table(
        "fault", "", "sent", "without answer", "refusals", "recovery", "slowest", title="Faults"
    )
    colours = {"holds": "green", "BROKEN": "red", "skipped": "yellow"}
    for one in results:
        verdict = _verdict(one)
        table.add_row(
            one.name,
            f"[{colours[verdict]}]{verdict}[/]",
            f"{one.sent:,}",
            f"{one.unanswered:,}",
            ", ".join(f"{count} {what}" for what, count in sorted(one.refusals.items())),
            f"{one.recovery_s:.1f} s",
            f"{one.slowest_s:.1f} s",
        )
    console.print(table)
    for one in results:
        for line in (one.skipped, one.failed):
            if line:
                console.print(f"{one.name}: {line}", markup=False, highlight=False)
        for check in one.checks:
            if not check.holds:
                console.print(
                    f"{one.name}: BROKEN  {check.rule}: {check.shown}",
                    markup=False,
                    highlight=False,
                )


def read_options() -> argparse.Namespace:
    """The options of the command line; without a name or a seed, all faults and a new seed."""
    parser = argparse.ArgumentParser(
        prog="python -m loadtest.faults",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="some faults; see --list")
    parser.add_argument("--all", action="store_true", help="all faults; so it is without a name")
    parser.add_argument("--seed", type=int, help="as a run before printed it; default: a new one")
    parser.add_argument("--list", action="store_true", help="list the faults and end")
    parser.add_argument("--seconds", type=float, default=5.0, help="of each fault; default 5")
    parser.add_argument("--clients", type=int, default=8, help="half send batches; default 8")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything there, too")
    parser.add_argument("--dir", type=Path, help="where our own data folders are made")
    options = parser.parse_args()
    unknown = [name for name in options.names if name not in FAULTS]
    if unknown:
        parser.error(f"there is no fault {unknown[0]!r}; there are {', '.join(FAULTS)}")
    if options.all or not options.names:
        options.names = list(FAULTS)
    if options.seed is None:
        options.seed = SystemRandom().getrandbits(32)
    return options


if __name__ == "__main__":
    sys.exit(exit_code(main))

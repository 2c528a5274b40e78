"""`python -m loadtest.faults [NAME ...]`: break things one by one under load, then audit.

Starts systems of its own. After each fault everything that was sent is sent again: what was
acknowledged must be answered as before, the totals must have grown by exactly that, a receiver of
webhooks must have heard of each action once, and `saxaul reconcile` must pass. Exit code 0 when
all of it holds, 1 when something does not.
"""

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from rich.console import Console
from rich.table import Table

from loadtest.audit import Check
from loadtest.faults.harm import FAULTS, Fault
from loadtest.faults.proof import figures_of, prove, told_by
from loadtest.faults.stage import Skipped, Stages
from loadtest.faults.witness import NotBack, Witness
from loadtest.harness import NotRunning
from loadtest.system import a_place, terminable

WIDTH = 130
FAULT_LIMIT_S = 300.0
BEFORE_SHARE = 0.5  # of the fault's time: load before it, and after it


@dataclass(slots=True)
class Result:
    """What one fault came to."""

    name: str
    skipped: str = ""
    failed: str = ""
    sent: int = 0
    unanswered: int = 0
    refusals: dict[str, int] = field(default_factory=dict)
    back_s: float = 0.0
    slowest_s: float = 0.0
    took_s: float = 0.0
    checks: list[Check] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        """Whether nothing is wrong; a fault that cannot be made here proves nothing, either way."""
        return not self.failed and all(check.holds for check in self.checks)


def main() -> int:
    """Read the command line, run, print; the exit code."""
    options = _options()
    if options.list:
        for fault in FAULTS.values():
            print(f"{fault.name:<18} {fault.what}")
        return 0
    err = Console(stderr=True)
    try:
        with a_place(options.dir) as place, terminable():
            results = asyncio.run(_run(options, place, err))
    except NotRunning as error:
        err.print(f"error: {error}", style="red", markup=False, highlight=False)
        return 2
    except KeyboardInterrupt:
        err.print("Stopped.")
        return 130
    _show(Console(width=None if sys.stdout.isatty() else WIDTH), results)
    if options.json:
        options.json.write_text(json.dumps([asdict(one) for one in results], indent=2) + "\n")
    return 0 if all(result.holds for result in results) else 1


async def _run(options: argparse.Namespace, place: Path, err: Console) -> list[Result]:
    stages, results = Stages(place), []
    try:
        for name in options.names or FAULTS:
            err.print(f"{name}: {FAULTS[name].what} ...", style="dim", highlight=False)
            result = await _one(FAULTS[name], stages, options)
            err.print(f"{name}: {_verdict(result)} in {result.took_s:.1f} s", highlight=False)
            results.append(result)
    finally:
        await stages.stop()
    return results


async def _one(fault: Fault, stages: Stages, options: argparse.Namespace) -> Result:
    result, began = Result(fault.name), time.monotonic()
    try:
        async with (
            asyncio.timeout(FAULT_LIMIT_S),
            fault.scene(stages) as scene,
            told_by(scene.stage.system) as receiver,
        ):
            stage = scene.stage
            before = await asyncio.to_thread(figures_of, stage.system)
            witness = Witness(stage.system, stage.urls, options.clients)
            seen = witness.seen
            async with witness.watching():
                await witness.answered_after(time.monotonic())
                await asyncio.sleep(options.seconds * BEFORE_SHARE)
                await scene.harm(options.seconds)
                result.back_s = await witness.answered_after(time.monotonic())
                await asyncio.sleep(options.seconds * BEFORE_SHARE)
            result.sent, result.unanswered = len(seen.sent), len(set(seen.sent) - set(seen.answers))
            result.refusals, result.slowest_s = dict(seen.refusals), seen.slowest_s
            result.checks = await prove(witness, before, receiver)
    except* Skipped as group:
        result.skipped = _first(group)
    except* (NotBack, NotRunning) as group:
        result.failed = _first(group)
    except* TimeoutError:
        result.failed = f"not over after {FAULT_LIMIT_S:.0f} s"
    result.took_s = time.monotonic() - began
    return result


def _first(group: BaseExceptionGroup) -> str:
    """The words of the first error in nested groups."""
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
        "fault", "", "sent", "without answer", "refusals", "back after", "slowest", title="Faults"
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
            f"{one.back_s:.1f} s",
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


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m loadtest.faults",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="default: all; see --list")
    parser.add_argument("--list", action="store_true", help="list the faults and end")
    parser.add_argument("--seconds", type=float, default=5.0, help="of each fault; default 5")
    parser.add_argument("--clients", type=int, default=8, help="half send batches; default 8")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything there, too")
    parser.add_argument("--dir", type=Path, help="where our own data folders are made")
    options = parser.parse_args()
    unknown = [name for name in options.names if name not in FAULTS]
    if unknown:
        parser.error(f"there is no fault {unknown[0]!r}; there are {', '.join(FAULTS)}")
    return options


if __name__ == "__main__":
    sys.exit(main())

"""`python -m loadtest.bench`: how fast the whole system is, beside what it could be compared with.

Starts a system of its own and measures every part in turn, `--repeats` times; prints ratios with
their goals. Exit code 1 when the audit fails: then no figure counts.
"""

import argparse
import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import uvloop
from rich.console import Console

from loadtest.audit_run import audit_run
from loadtest.bench import machine, parts, points, report
from loadtest.bench.cpu import spy_path
from loadtest.bench.database import bench_schema
from loadtest.bench.measure import FULL, QUICK, Bench, Unsound
from loadtest.bench.serve import served
from loadtest.bench.size import sizes
from loadtest.harness import NotRunning
from loadtest.system import System, add_system_options, chosen_system, exit_code, started_system

WIDTH = 130
PATIENT = {"SAXAUL_LANE_QUEUE_SECONDS": "60"}  # how much goes through, not how long it takes
PARTS: dict[str, Callable[[Bench], Awaitable[None]]] = {
    "batch500": parts.batches,
    "copy": parts.copy,
    "naive": parts.naive,
    "single": parts.single,
    "empty-post": parts.empty_post,
    "latency": parts.latency,
    "totals": parts.totals,
    "empty-get": parts.empty_get,
    "assess": parts.assess,
    "collect": points.collect,
    "orders": points.orders,
    "people": parts.people,
    "size": sizes,
}


def main() -> int:
    """This reads the command line, measures and prints; it returns the exit code."""
    options = _options()
    console = Console(width=None if sys.stdout.isatty() else WIDTH)
    err = Console(stderr=True)
    with _system(options) as system:
        runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)
        return runner.run(_run(options, system, console, err))


async def _run(options: argparse.Namespace, system: System, console: Console, err: Console) -> int:
    if system.database_url is None:
        raise NotRunning(f"demo.json in {system.home} does not name the database to compare with.")
    actions_before = int(system.totals()["actions"])
    where = await machine.describe(system)
    if system.alone:
        where["api processes"] = str(options.workers)
    async with bench_schema(system.database_url):
        comparison = served("loadtest.bench.comparison", BENCH_DATABASE_URL=system.database_url)
        with comparison as comparison_url:
            bench = Bench(system, QUICK if options.quick else FULL, comparison_url)
            await bench.warm_up()
            for repeat in range(options.repeats):
                for name in options.only:
                    err.print(f"repeat {repeat + 1} of {options.repeats}: {name}", style="dim")
                    await PARTS[name](bench)
            stages = {}
            if options.profile:
                if spy_path() is None:
                    bench.notes.append("no stages: py-spy is not installed (pip install py-spy)")
                stages = await parts.profile(bench)
    checks = audit_run(system, bench.tally, before=actions_before)
    report.show(console, bench, where, stages, checks)
    if options.json:
        found = report.as_dict(bench, where, stages, checks)
        options.json.write_text(json.dumps(found, indent=2) + "\n")
        err.print(f"Written: {options.json}")
    return 0 if all(check.holds for check in checks) else 1


@contextmanager
def _system(options: argparse.Namespace) -> Iterator[System]:
    if options.url or options.home:
        yield chosen_system(options)
        return
    with started_system(options.dir, SAXAUL_WORKERS=str(options.workers), **PATIENT) as system:
        yield system


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m loadtest.bench", description=__doc__, formatter_class=_Plain
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything there, too")
    parser.add_argument("--repeats", type=int, default=3, help="default 3")
    parser.add_argument("--quick", action="store_true", help="fewer events; a look, not a result")
    parser.add_argument("--profile", action="store_true", help="where the API's time goes (py-spy)")
    parser.add_argument(
        "--only", type=_part_names, default=list(PARTS), metavar="PART,...",
        help=f"only some of: {', '.join(PARTS)}",
    )  # fmt: skip
    add_system_options(parser)
    parser.add_argument("--workers", type=int, default=1, help="API processes; default 1")
    options = parser.parse_args()
    if options.repeats < 1:
        parser.error("--repeats must be 1 or more")
    return options


def _part_names(text: str) -> list[str]:
    names = text.split(",")
    unknown = [name for name in names if name not in PARTS]
    if unknown:
        raise argparse.ArgumentTypeError(f"there is no part {unknown[0]!r}")
    return [name for name in PARTS if name in names]


class _Plain(argparse.RawDescriptionHelpFormatter):
    """This formatter keeps the lines of the description."""


if __name__ == "__main__":
    sys.exit(exit_code(main, Unsound))

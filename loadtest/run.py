"""`make load`: Locust for a minute against the system that runs here, or one started for it.

Judges against budget.toml, audits, and leaves a report. Exit code 0 when all of it holds.
With --open it sends single events at a fixed rate instead, whatever the answers do, and shows the
latency from the moment at which each was meant to start; exit code 3 when the generator itself fell
behind, for then the run says nothing.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from pathlib import Path

import uvloop
from rich.console import Console

from loadtest.audit import check_stock
from loadtest.audit_run import SETTLE_S, audit_run
from loadtest.bench.client import OpenLoopResult, open_loop
from loadtest.harness import NotRunning
from loadtest.latency import table_of
from loadtest.mix import PEOPLE, Mix
from loadtest.receiver import receiving
from loadtest.requests import singles
from loadtest.seed import Project, open_project, seed
from loadtest.system import (
    NotAllowed,
    System,
    add_system_options,
    chosen_system,
    exit_code,
    started_system,
)
from loadtest.tally import Tally

LOCUSTFILE = Path(__file__).with_name("locustfile.py")
STOP_S = 30
GRACE_S = 120.0
VOID = 3
SPARE_STOCK = 1_000_000  # trees of a project that is not meant to sell out
SOLD_PER_S = 1.2  # at scale 1: about half of what `sellout`'s people ask for before its end


def main() -> int:
    """This reads the command line, runs and audits; it returns the exit code."""
    options = _options()
    with _system(options) as system:
        return _open(options, system) if options.open else _load(options, system)


def _load(options: argparse.Namespace, system: System) -> int:
    report = options.html or _default_report()
    with receiving(system) as receiver, tempfile.TemporaryDirectory() as folder:
        before, seeded, project = _seed(options, system)
        result = Path(folder) / "result.json"
        code = _run_locust(options, system, report, result, project)
        if not result.exists():
            print(f"Locust ended with {code} and without a result.", file=sys.stderr)
            return code or 1
        found = json.loads(result.read_text())
        tally = Tally.from_dict(found["tally"])
        facts = seeded.facts or ()
        checks = audit_run(system, tally, before=before, receiver=receiver, seeded=facts)
        if project is not None and system.alone:
            checks.append(check_stock(tally, project.stock, project.left(system)))
    summary = "\n".join([*_summary(options, tally), "", *map(str, checks)])
    print(f"\n{summary}\nReport: {report}")
    _add_to(report, "\n".join([*found["budget"], "", summary]))
    return code or int(not all(check.holds for check in checks))


def _summary(options: argparse.Namespace, tally: Tally) -> Iterator[str]:
    """The lines that say how much was sent."""
    yield f"Events: {tally.sent:,} in {options.seconds} s, {tally.sent / options.seconds:,.0f}/s"
    if tally.orders:
        yield "Orders: " + ", ".join(f"{n:,} {what}" for what, n in tally.orders.most_common())


def _add_to(report: Path, text: str) -> None:
    """This puts the verdict below the tables and curves of Locust's report."""
    head, end, tail = report.read_text().rpartition("</body>")  # the page's scripts have one, too
    look = "padding: 0 2em; white-space: pre-wrap; font-family: monospace"
    report.write_text(f'{head}<pre style="{look}">{escape(text)}</pre>{end}{tail}')


def _seed(options: argparse.Namespace, system: System) -> tuple[int, Tally, Project | None]:
    """This gives some people points, and a project to spend them on.

    Also the actions in the totals when these are counted.
    """
    with system.client() as client:  # it is made at the first question, which takes a while
        client.get("/openapi.json")
    tally = Tally(facts=set())
    if not options.seed:
        return int(system.totals()["actions"]), tally, None
    before = int(system.totals()["actions"])
    print(f"Giving {options.seed} people something to collect ...", file=sys.stderr)
    seed(system, tally, people=options.seed)
    before = system.settled_actions(before + tally.recorded, seconds=SETTLE_S)
    stock = SPARE_STOCK
    if options.shape == "sellout":
        stock = max(1, round(SOLD_PER_S * options.seconds * options.scale))
    return before, tally, open_project(system, stock=stock)


def _open(options: argparse.Namespace, system: System) -> int:
    """This runs an open loop over single events of the mix; the exit code."""
    with receiving(system) as receiver:
        before, tally = int(system.totals()["actions"]), Tally(facts=set())
        seen = asyncio.Runner(loop_factory=uvloop.new_event_loop).run(_send(options, system, tally))
        checks = audit_run(system, tally, before=before, receiver=receiver)
    columns = {"from the intended start": seen.latencies, "from sending": seen.service_times}
    Console().print(table_of(columns))
    print(
        f"{len(seen.latencies):,} events at {options.open:,.0f}/s, {seen.failed:,} not taken; "
        f"the generator sent {seen.behind:.2%} of them late"
    )
    if options.hdr:
        seen.latencies.write(options.hdr)
        print(f"Histogram: {options.hdr}")
    print("", *checks, sep="\n")
    if seen.void:
        print("VOID: the generator fell behind by more than 1 %; these latencies say nothing")
        return VOID
    return int(not all(check.holds for check in checks))


async def _send(options: argparse.Namespace, system: System, tally: Tally) -> OpenLoopResult:
    mix = Mix(PEOPLE, seed=time.time_ns())
    requests = singles(system, mix, max(1, int(options.open * options.seconds)))
    print(f"Sending {options.open:,.0f} events/s for {options.seconds} s ...", file=sys.stderr)
    return await open_loop(
        system.url, requests, rate_per_s=options.open, on_answer=tally.add_single
    )


def _run_locust(
    options: argparse.Namespace,
    system: System,
    report: Path,
    result: Path,
    project: Project | None,
) -> int:
    command = [
        sys.executable, "-m", "locust", "--locustfile", str(LOCUSTFILE), "--headless",
        "--host", system.url, "--html", str(report), "--only-summary",
        "--stop-timeout", str(STOP_S), "--loglevel", "WARNING",
    ]  # fmt: skip
    environment = {
        **os.environ,
        "SAXAUL_HOME": str(system.home),
        "SAXAUL_PARTNER_KEY": system.partner_key,
        "SAXAUL_WEBHOOKS_KEY": system.webhooks_key,
        "SAXAUL_LOAD_RESULT": str(result),
        "SAXAUL_LOAD_SEEDED": str(options.seed),
        "SAXAUL_LOAD_PROJECT": "" if project is None else project.name,
    }
    if options.shape:
        environment |= {
            "SAXAUL_LOAD_SHAPE": options.shape,
            "SAXAUL_LOAD_SECONDS": str(options.seconds),
            "SAXAUL_LOAD_SCALE": str(options.scale),
        }
    else:
        users = str(options.users)
        command += ["--users", users, "--spawn-rate", users, "--run-time", f"{options.seconds}s"]
    print(f"Loading {system.url} for {options.seconds} s ...", file=sys.stderr)
    return subprocess.run(
        command, env=environment, check=False, timeout=options.seconds + GRACE_S
    ).returncode


@contextmanager
def _system(options: argparse.Namespace) -> Iterator[System]:
    """The system that runs here, if one does; else one for us alone."""
    try:
        found = chosen_system(options)
    except NotAllowed:
        raise
    except NotRunning:
        if options.url or options.home:
            raise
        print("Nothing runs here: starting a system for this test ...", file=sys.stderr)
        with started_system(options.dir) as system:
            yield system
        return
    yield found


def _default_report() -> Path:
    moment = time.strftime("%Y%m%d-%H%M%S")
    return Path(tempfile.gettempdir()) / f"saxaul-load-{moment}.html"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m loadtest.run",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--seconds", type=int, default=60, help="default 60")
    parser.add_argument("--users", type=int, default=50, help="users without a shape; default 50")
    parser.add_argument(
        "--shape",
        choices=("steady", "ripening", "sellout", "double11", "peak"),
        help="a curve of shapes.py instead",
    )
    parser.add_argument(
        "--scale", type=float, default=0.2, help="share of the documented rates; default 0.2"
    )
    parser.add_argument(
        "--seed", type=int, default=200, help="people with ripe points; default 200"
    )
    parser.add_argument("--open", type=float, metavar="RATE", help="single events a second")
    parser.add_argument("--hdr", type=Path, metavar="FILE", help="the open loop's histogram")
    parser.add_argument("--html", type=Path, help="where the report is written")
    add_system_options(parser)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(exit_code(main))

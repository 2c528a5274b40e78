"""`python -m loadtest.overload`: twice the capacity, for a while, on a system of its own.

Finds the capacity with a short closed loop, then sends at `--factor` times that, whatever the
answers do. The API must stay up and say when to come back, its memory must stay bounded, what it
takes it must take in time, and afterwards everything must drain and balance. Exit code 0 when all
of it holds, 3 when the generator was too slow for the run to say anything.
"""

import argparse
import asyncio
import math
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import uvloop
from prometheus_client.parser import text_string_to_metric_families
from rich.console import Console

from loadtest.audit import Check
from loadtest.audit_run import audit_run
from loadtest.bench.client import BROKEN, OpenLoopResult, closed_loop, open_loop
from loadtest.latency import table_of
from loadtest.mix import PEOPLE, Mix
from loadtest.receiver import Receiver, receiving
from loadtest.requests import batches
from loadtest.system import System, exit_code, started_system
from loadtest.tally import Tally

VOID = 3
BATCH_EVENTS = 100
CLOSED_CONNECTIONS = 8
CALM_SHARE = 0.4  # of the capacity: what "its latency" is compared with
CONNECTIONS = 1_024
SAMPLE_S = 0.25
SAMPLE_LIMIT_S = 10.0
DRAIN_S = 60.0


@dataclass(slots=True)
class Samples:
    """What the API's metrics showed during the run, sample by sample.

    `starts` are the start times of the processes that answered, `away` counts missing answers.
    """

    memory_mib: list[float] = field(default_factory=list)
    depth: list[float] = field(default_factory=list)
    starts: set[float] = field(default_factory=set)
    slowest_s: float = 0.0
    away: int = 0

    async def take(self, client: httpx.AsyncClient) -> None:
        """This asks for the metrics once."""
        began = time.monotonic()
        try:
            text = (await client.get("/metrics")).raise_for_status().text
        except httpx.HTTPError:
            self.away += 1
            return
        self.slowest_s = max(self.slowest_s, time.monotonic() - began)
        samples = [one for family in text_string_to_metric_families(text) for one in family.samples]
        values = {one.name: float(one.value) for one in samples}
        self.memory_mib.append(values["process_resident_memory_bytes"] / 2**20)
        self.starts.add(values["process_start_time_seconds"])
        self.depth.append(values["saxaul_lane_events"])


def main() -> int:
    """This reads the command line, runs and prints; it returns the exit code."""
    options = _options()
    environment = {"SAXAUL_PARTNER_QUOTA_PER_MINUTE": "0"}  # our capacity is meant, not a quota
    if options.queue:
        environment["SAXAUL_LANE_QUEUE_EVENTS"] = str(options.queue)
    with started_system(options.dir, **environment) as system, receiving(system) as receiver:
        runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)
        return runner.run(_run(options, system, receiver))


async def _run(options: argparse.Namespace, system: System, receiver: Receiver | None) -> int:
    tally, mix = Tally(facts=set()), Mix(PEOPLE, seed=3)
    before = int(system.totals()["actions"])
    _say("finding the capacity with a closed loop ...")
    await _capacity(system, mix, tally, options.seconds / 2)  # warm up
    capacity = await _capacity(system, mix, tally, options.seconds)
    _say(f"capacity {capacity:,.0f} events/s; calm, at {CALM_SHARE:.0%} of it ...")
    calm = await _open(system, mix, tally, capacity * CALM_SHARE, options.seconds / 2)
    samples = Samples()
    _say(f"overload, at {options.factor:g} times the capacity for {options.seconds:g} s ...")
    async with httpx.AsyncClient(
        base_url=system.url, timeout=SAMPLE_LIMIT_S, trust_env=False
    ) as client:
        await samples.take(client)
        stop = asyncio.Event()
        watch = asyncio.create_task(_watch(client, samples, stop))
        rate = capacity * options.factor
        hard = await _open(system, mix, tally, rate, options.seconds)
        stop.set()
        await watch
        drained_s = await _drained(client, samples)
    columns = {"calm": calm.latencies, "overload": hard.taken, "all": hard.latencies}
    Console().print(table_of(columns))
    print(
        f"offered {rate:,.0f} events/s; requests by status: "
        + ", ".join(f"{count:,} {status}" for status, count in sorted(hard.statuses.items()))
    )
    checks = [
        *_judge(options, calm, hard, samples),
        Check("it drains", drained_s < DRAIN_S, f"the lanes were empty after {drained_s:.1f} s"),
        *await asyncio.to_thread(audit_run, system, tally, before=before, receiver=receiver),
    ]
    print(*checks, sep="\n")
    if hard.void:
        print(f"VOID: the generator sent {hard.behind:.1%} of the requests late")
        return VOID
    return int(not all(check.holds for check in checks))


def _judge(
    options: argparse.Namespace, calm: OpenLoopResult, hard: OpenLoopResult, samples: Samples
) -> list[Check]:
    refused = hard.statuses[503] + hard.statuses[429]
    unexpected = {s: n for s, n in hard.statuses.items() if s not in (200, 429, 503)}
    p99_s, calm_s = hard.taken.at_s(0.99), calm.latencies.at_s(0.99)
    limit_s = max(options.p99, calm_s * options.multiple)
    grown = max(samples.memory_mib) - samples.memory_mib[0]
    return [
        Check(
            "the API stays up",
            len(samples.starts) == 1 and not samples.away and not hard.statuses[BROKEN],
            f"one process all the time; metrics answered within {samples.slowest_s:.2f} s, "
            f"{samples.away} times not; {hard.statuses[BROKEN]} connections broken",
        ),
        Check(
            "what is too much is sent away, with a time to come back",
            refused > 0 and not hard.without_retry_after and not unexpected,
            f"{refused:,} of {len(hard.latencies):,} requests were answered 503 or 429, "
            f"{hard.without_retry_after} of them without Retry-After; "
            f"other answers: {unexpected or 'none'}",
        ),
        Check(
            "memory stays bounded",
            max(samples.memory_mib) <= options.memory_mib,
            f"at most {max(samples.memory_mib):,.0f} MiB ({grown:+,.0f} MiB), "
            f"{options.memory_mib:,.0f} allowed; up to {max(samples.depth):,.0f} events waited",
        ),
        Check(
            "accepted work keeps its latency",
            not math.isnan(p99_s) and p99_s <= limit_s,
            f"p99 {p99_s * 1000:,.0f} ms, {p99_s / max(calm_s, 1e-6):,.1f} times the calm "
            f"{calm_s * 1000:,.0f} ms; {limit_s * 1000:,.0f} ms allowed",
        ),
    ]


async def _capacity(system: System, mix: Mix, tally: Tally, seconds: float) -> float:
    """The capacity: events a second that a closed loop gets through."""
    counted = Tally(facts=set())
    seen = await closed_loop(
        system.url,
        batches(system, mix, int(20_000 * seconds) // BATCH_EVENTS, size=BATCH_EVENTS),
        connections=CLOSED_CONNECTIONS,
        seconds=seconds,
        on_answer=lambda status, body: counted.add_batch(BATCH_EVENTS, status, body),
    )
    tally.add(counted)
    return counted.accepted / seen.elapsed_s


async def _open(
    system: System, mix: Mix, tally: Tally, rate: float, seconds: float
) -> OpenLoopResult:
    return await open_loop(
        system.url,
        batches(system, mix, max(1, int(rate * seconds) // BATCH_EVENTS), size=BATCH_EVENTS),
        rate_per_s=rate / BATCH_EVENTS,
        on_answer=lambda status, body: tally.add_batch(BATCH_EVENTS, status, body),
        connections=CONNECTIONS,
    )


async def _watch(client: httpx.AsyncClient, samples: Samples, stop: asyncio.Event) -> None:
    while not stop.is_set():
        await samples.take(client)
        await asyncio.sleep(SAMPLE_S)


async def _drained(client: httpx.AsyncClient, samples: Samples) -> float:
    """Seconds until nothing waits any more; infinity when that takes too long."""
    began = time.monotonic()
    while time.monotonic() - began < DRAIN_S:
        await samples.take(client)
        if samples.depth and samples.depth[-1] == 0:
            return time.monotonic() - began
        await asyncio.sleep(SAMPLE_S)
    return math.inf


def _say(text: str) -> None:
    print(text, file=sys.stderr)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m loadtest.overload",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--seconds", type=float, default=10.0, help="of overload; default 10")
    parser.add_argument("--factor", type=float, default=2.0, help="times the capacity; default 2")
    parser.add_argument("--memory-mib", type=float, default=512.0, help="default 512")
    parser.add_argument(
        "--p99", type=float, default=1.5,
        help="seconds that 99 of 100 accepted batches may always take; default 1.5",
    )  # fmt: skip
    parser.add_argument(
        "--multiple", type=float, default=6.0,
        help="or times what they take in the calm, where that is more; default 6",
    )  # fmt: skip
    parser.add_argument("--queue", type=int, help="events that may wait in a lane, if not default")
    parser.add_argument("--dir", type=Path, help="where our own data folder is made")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(exit_code(main))

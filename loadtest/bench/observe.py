"""What it costs to be watched: metrics, names and times of requests, JSON logs, and traces.

Three more API processes on the same servers, asked in turn for the same: one that does not look at
itself at all, the default, and one that traces a hundredth of its requests, too. What is compared
is their processor time, since it does not depend on what else the machine does meanwhile.
"""

from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, replace

import psutil

from loadtest.bench.parts import Bench
from loadtest.bench.processes import PATIENT
from loadtest.bench.serve import served
from loadtest.system import another_api

ROUNDS = 5
BARE, WATCHED, TRACED = "bare", "watched", "traced"
SINGLES, BATCHES = "single", "batch"


@dataclass(frozen=True, slots=True)
class Side:
    """One of the processes, and a benchmark that speaks to it alone."""

    bench: Bench
    process: psutil.Process

    async def send(self, kind: str) -> tuple[float, int]:
        """Seconds of processor time, and events."""
        before = self.process.cpu_times()
        if kind == SINGLES:
            events = (await self.bench.send_singles())[1]
        else:
            events = await self.bench.send(500)
        after = self.process.cpu_times()
        return after.user + after.system - before.user - before.system, events


async def observability(bench: Bench) -> None:
    """Microseconds of the API's processor time an event, alone and in batches, on each side."""
    if not bench.system.alone:
        bench.notes.append("no cost of metrics, logs and traces: the system is not ours to start")
        return
    share = replace(
        bench.plan,
        single_events=bench.plan.single_events // 4,
        batched_events=bench.plan.batched_events // 8,
    )
    with ExitStack() as stack:
        collector = stack.enter_context(served("loadtest.bench.sink"))
        logs = {"SAXAUL_LOG_LEVEL": "info", "SAXAUL_LOG_FORMAT": "json"}
        sides = {}
        for name, environment in {
            BARE: {"SAXAUL_OBSERVE": "false"},
            WATCHED: logs,
            TRACED: {**logs, "SAXAUL_OTLP_TRACES_URL": f"{collector}/v1/traces"},
        }.items():
            system, pid = stack.enter_context(another_api(bench.system, **PATIENT, **environment))
            sides[name] = Side(replace(bench, system=system, plan=share), psutil.Process(pid))
            await sides[name].send(BATCHES)
            await sides[name].send(SINGLES)
        used, events = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
        for number in range(ROUNDS):
            for name in list(sides)[:: 1 if number % 2 else -1]:  # what warms up favours nobody
                for kind in (SINGLES, BATCHES):
                    seconds, count = await sides[name].send(kind)
                    used[name, kind] += seconds  # type: ignore[assignment]  # a Counter adds these, too
                    events[name, kind] += count
    for (name, kind), seconds in used.items():
        bench.figures[f"{kind} {name}"].append(seconds / events[name, kind] * 1e6)

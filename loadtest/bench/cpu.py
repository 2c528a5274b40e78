"""Where the processor's time goes: by process, and inside the API by stage (with py-spy)."""

import os
import shutil
import subprocess
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import psutil  # type: ignore[import-untyped]  # ships no types

from loadtest.system import System

PROCESSES = {
    "API": ("service.main",),
    "worker": ("workers.main",),
    "Valkey": ("valkey-server",),
    "PostgreSQL": ("postgres",),
}
GENERATOR = "generator"
SPY_RATE = 200

# The innermost of these files in a stack says what the sample was spent on; the first match wins.
STAGES = {
    "parse (pydantic)": ("intake/event.py", "http/given.py", "pydantic"),
    "assess (methodologies)": ("methodologies/",),
    "prepare (hash, digest)": ("intake/candidate.py", "partners/people.py"),
    "decide (caps, rows, leaves)": ("intake/decide.py", "points/policy.py", "intake/outcome.py"),
    "database driver": ("asyncpg/", "intake/store.py", "journal/append.py"),
    "commit (the rest)": ("intake/commit.py", "intake/address.py"),
    "lane": ("intake/lane.py",),
    "report (queue, results)": ("intake/report.py",),
    "answer (JSON, counts)": ("intake/routes.py", "http/metrics.py"),
    "who speaks": ("partners/",),
    "totals": ("totals/",),
    "framework (FastAPI, Starlette)": ("fastapi/", "starlette/"),
    "server (uvicorn)": ("uvicorn/", "httptools/"),
}
REST = "event loop and the rest"


@dataclass(frozen=True, slots=True)
class Times:
    """Processor seconds that each kind of process had used at one moment."""

    seconds: dict[str, float]

    def since(self, before: "Times") -> dict[str, float]:
        """What was used between `before` and now."""
        return {name: used - before.seconds.get(name, 0.0) for name, used in self.seconds.items()}


def times_of(system: System) -> Times:
    """Processor seconds of the system's processes and of ourselves; ours alone when it is not ours.

    Counts processes that still run, and ended children of PostgreSQL's first process.
    """
    seconds: Counter[str] = Counter()
    for name, process in processes_of(system):
        with_children = name == "PostgreSQL" and "-D" in process.cmdline()
        try:
            used = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        seconds[name] += used.user + used.system
        if with_children:
            seconds[name] += used.children_user + used.children_system
    own = psutil.Process().cpu_times()
    seconds[GENERATOR] = own.user + own.system
    return Times(dict(seconds))


def processes_of(system: System) -> list[tuple[str, psutil.Process]]:
    """The processes below `saxaul up`, with what they are."""
    if system.pid is None:
        return []
    found = []
    for process in psutil.Process(system.pid).children(recursive=True):
        try:
            command = " ".join(process.cmdline())
        except (psutil.NoSuchProcess, psutil.ZombieProcess):
            continue
        for name, words in PROCESSES.items():
            if any(word in command for word in words):
                found.append((name, process))
                break
    return found


def spy_path() -> str | None:
    """py-spy's program, where it is installed; PY_SPY names another place."""
    return os.environ.get("PY_SPY") or shutil.which("py-spy")


class Spy:
    """py-spy beside a measurement; needs the right to look into other processes."""

    def __init__(self, system: System, seconds: float) -> None:
        program = spy_path()
        pids = [process.pid for name, process in processes_of(system) if name == "API"]
        self._process: subprocess.Popen[bytes] | None = None
        self._file = Path(tempfile.mkstemp(suffix=".stacks")[1])
        if program is None or not pids:
            return
        self._process = subprocess.Popen(
            [
                program, "record", "--pid", str(pids[0]), "--duration", str(int(seconds)),
                "--rate", str(SPY_RATE), "--format", "raw", "--full-filenames", "--nonblocking",
                "--output", str(self._file),
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip

    def shares(self) -> dict[str, float]:
        """The share of the API's busy time by stage, once py-spy has ended; empty without it."""
        if self._process is None:
            return {}
        self._process.wait()
        shares = shares_of(self._file.read_text())
        self._file.unlink()
        return shares


def shares_of(stacks: str) -> dict[str, float]:
    """Shares by stage of `frame;frame;... count` lines, outermost frame first."""
    samples: Counter[str] = Counter()
    for line in stacks.splitlines():
        stack, _, count = line.rpartition(" ")
        samples[stage_of(stack.split(";"))] += int(count)
    total = samples.total()
    return {name: count / total for name, count in samples.most_common()}


def stage_of(frames: list[str]) -> str:
    """What a stack was doing."""
    for frame in reversed(frames):
        for name, places in STAGES.items():
            if any(place in frame for place in places):
                return name
    return REST

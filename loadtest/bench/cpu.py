"""Where the processor's time goes: by process, and inside the API by stage (with py-spy)."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from loadtest.harness import programs_of
from loadtest.system import System

NAMES = {"api": "API", "worker": "worker", "valkey": "Valkey", "postgres": "PostgreSQL"}
GENERATOR = "generator"
SPY_RATE = 200

# The innermost of these files in a stack says what the sample was spent on; the first match wins.
STAGES = {
    "parse (pydantic)": ("intake/event.py", "http/dependencies.py", "pydantic"),
    "fast path": ("http/fast_path.py",),
    "assess (methodologies)": ("methodologies/",),
    "prepare (hash, digest)": ("intake/candidate.py", "partners/person.py"),
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
    """The processor seconds that each kind of process had used at one moment."""

    seconds: dict[str, float]

    def since(self, before: "Times") -> dict[str, float]:
        """The seconds that were used since `before`."""
        return {name: used - before.seconds.get(name, 0.0) for name, used in self.seconds.items()}


def times_of(system: System) -> Times:
    """The processor seconds of the system's processes, if it is ours, and of this one.

    Those of processes that they started count, too, whether they still run or have ended.
    """
    seconds: dict[str, float] = defaultdict(float)
    for name, process in processes_of(system):
        with suppress(psutil.NoSuchProcess):
            for one in (process, *process.children(recursive=True)):
                with suppress(psutil.NoSuchProcess):
                    used = one.cpu_times()
                    seconds[name] += used.user + used.system
            ended = process.cpu_times()
            seconds[name] += ended.children_user + ended.children_system
    own = psutil.Process().cpu_times()
    seconds[GENERATOR] = own.user + own.system
    return Times(dict(seconds))


def processes_of(system: System) -> list[tuple[str, psutil.Process]]:
    """The processes that `saxaul up` keeps running, each with the name that reports show."""
    if system.pid is None:
        return []
    return [
        (NAMES[program], process)
        for program, processes in programs_of(system.home, system.pid).items()
        for process in processes
    ]


def spy_path() -> str | None:
    """The path of py-spy: what PY_SPY names, else beside this interpreter, else in PATH."""
    beside = Path(sys.executable).with_name("py-spy")
    return os.environ.get("PY_SPY") or shutil.which(beside) or shutil.which("py-spy")


class Spy:
    """py-spy samples the API during a measurement, where it may look into other processes."""

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
    """The shares by stage of lines `frame;frame;... count`, the outermost frame first."""
    samples: Counter[str] = Counter()
    for line in stacks.splitlines():
        stack, _, count = line.rpartition(" ")
        samples[stage_of(stack.split(";"))] += int(count)
    total = samples.total()
    return {name: count / total for name, count in samples.most_common()}


def stage_of(frames: list[str]) -> str:
    """The stage of a stack, by its innermost known frame."""
    for frame in reversed(frames):
        for name, files in STAGES.items():
            if any(file in frame for file in files):
                return name
    return REST

"""Starts the programs of a system, finds them, signals them, and ends all of them.

Load tests, fault tests and the flows of the test suite all start systems here. Which process is
which program is what the supervisor says in `running.json` of its data folder.
"""

import asyncio
import json
import os
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO

import psutil

SAXAUL = (sys.executable, "-m", "service.cli")
PROGRAMS = ("api", "worker", "valkey", "postgres")  # a test compares them with the supervisor's
START_S = 300.0
STOP_S = 90.0
HANG_S = 120.0  # a command that takes longer has stopped for good
POLL_S = 0.02
TAIL_BYTES = 4_000
SETTINGS = ("SAXAUL_", "DATABASE_URL", "REDIS_URL")  # how the names of ours begin


class NotRunning(RuntimeError):
    """There is no system to send load to; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Done:
    """The end of a command: its exit code, and all that it printed."""

    code: int
    text: str


@dataclass(slots=True)
class SystemUnderTest:
    """`saxaul up` on a data folder: started, ended in any way, started again.

    `environment` is all that its programs see of the environment; without SAXAUL_PORT the system is
    at the same address each time. `demo` is what `demo.json` said at the last start. `starter` is
    the command whose `up` starts it.
    """

    home: Path
    environment: Mapping[str, str]
    demo: dict[str, Any] = field(default_factory=dict)
    starter: Sequence[str] = SAXAUL
    _process: subprocess.Popen[bytes] | None = None
    _output_from: int = 0

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """The supervisor of the last start."""
        assert self._process is not None, "it was never started"
        return self._process

    @property
    def url(self) -> str:
        """The URL of the API."""
        return str(self.demo["url"])

    @property
    def output(self) -> str:
        """All that `saxaul up` printed since its last start."""
        return self._output.read_bytes()[self._output_from :].decode(errors="replace")

    def start(self) -> None:
        """This starts the system and waits until it is ready. Raises NotRunning if it ends."""
        self.home.mkdir(mode=0o711, parents=True, exist_ok=True)  # others must be let through
        with self._output.open("ab") as output:
            self._output_from = output.tell()
            self._process = _spawn((*self.starter, "up"), self._settings(), output)
        process = self._process
        wait_until(lambda: self._is_ready() or process.poll() is not None, seconds=START_S)
        if process.poll() is not None or not self._is_ready():
            self.stop()
            raise NotRunning(f"`saxaul up` did not become ready. It said:\n{tail(self._output)}")
        self.demo = demo_of(self.home)

    def kill(self) -> None:
        """This ends the supervisor as a power cut would: it cannot stop anything in order."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """This stops it in order, as Ctrl-C does, and the rest at once; the supervisor's exit code.

        A system that has ended already, or was never started, stays as it is.
        """
        return 0 if self._process is None else end(self._process)

    def pids(self, program: str) -> list[int]:
        """The running processes of one of PROGRAMS."""
        return [process.pid for process in programs_of(self.home, self.process.pid)[program]]

    def send_signal(self, program: str, number: signal.Signals) -> int:
        """This sends a signal to every process of a program; how many were running."""
        pids = self.pids(program)
        for pid in pids:
            os.kill(pid, number)
        return len(pids)

    async def saxaul(self, *arguments: str) -> Done:
        """This runs a command as a user would in another terminal."""
        async with self.command(*arguments) as process:
            return await finished(process)

    @asynccontextmanager
    async def command(self, *arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
        """A `saxaul` command while it runs, with pipes to all that it reads and prints."""
        async with running(*SAXAUL, *arguments, environment=self._settings()) as process:
            yield process

    @property
    def _output(self) -> Path:
        return self.home / "output"

    def _settings(self) -> dict[str, str]:
        port = demo_of(self.home).get("url", ":0").rpartition(":")[2]
        return {"SAXAUL_PORT": port, **self.environment, "SAXAUL_HOME": str(self.home)}

    def _is_ready(self) -> bool:
        state = running_of(self.home)
        return state.get("pid") == self.process.pid and bool(state["ready"])


@cache
def tls_context() -> ssl.SSLContext:
    """The context that all HTTP clients of this process share: to make one is 50 ms of reading
    authorities, which a client of httpx does by itself, also where it speaks plain HTTP."""
    return ssl.create_default_context()


def clean_environment() -> dict[str, str]:
    """Our environment without what would be a setting of a Saxaul."""
    return {name: value for name, value in os.environ.items() if not name.startswith(SETTINGS)}


def default_home() -> Path:
    """The data folder of the system that runs here: SAXAUL_HOME, or its default."""
    return Path(os.environ.get("SAXAUL_HOME", ".saxaul"))


def demo_of(home: Path) -> dict[str, Any]:
    """`demo.json`: keys and URLs of the system of a data folder; empty where none ever ran."""
    return _read(home / "demo.json")


def running_of(home: Path) -> dict[str, Any]:
    """`running.json`: the processes of the system of a data folder; empty where none runs."""
    return _read(home / "running.json")


def programs_of(home: Path, supervisor: int) -> dict[str, list[psutil.Process]]:
    """The children of a supervisor that still run, by PROGRAMS."""
    found: dict[str, list[psutil.Process]] = {name: [] for name in PROGRAMS}
    children: dict[int, psutil.Process] = {}
    with suppress(psutil.NoSuchProcess):
        children = {child.pid: child for child in psutil.Process(supervisor).children()}
    for name, pid in running_of(home).get("programs", {}).items():
        program = name.partition("-")[0]  # `api-2` is the second process of `api`
        if pid in children and _runs(children[pid]):
            found[program].append(children[pid])
    return found


@contextmanager
def program(
    command: Sequence[str],
    *,
    environment: Mapping[str, str],
    output: Path | None = None,
    pass_fds: Sequence[int] = (),
) -> Iterator[subprocess.Popen[bytes]]:
    """One more program for the time of the block. It prints to the end of `output`, or as we do."""
    with output.open("ab") if output else nullcontext() as writer:
        process = _spawn(command, environment, writer, pass_fds)
    try:
        yield process
    finally:
        end(process)


@asynccontextmanager
async def running(
    *command: str, environment: Mapping[str, str]
) -> AsyncIterator[asyncio.subprocess.Process]:
    """A command with pipes to all that it reads and prints; ended when the block is left."""
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=dict(environment),
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()  # what it started, it stops
            try:
                await asyncio.wait_for(process.communicate(), STOP_S)
            except TimeoutError:
                process.kill()
                await process.communicate()


async def finished(process: asyncio.subprocess.Process, *, seconds: float = HANG_S) -> Done:
    """The end of a command. Raises TimeoutError when it does not come within `seconds`."""
    async with asyncio.timeout(seconds):
        out, error = await process.communicate()
    assert process.returncode is not None
    return Done(process.returncode, out.decode() + error.decode())


def end(process: subprocess.Popen[bytes]) -> int:
    """This ends a program with SIGTERM, and whatever then still runs below it; its exit code."""
    if process.poll() is not None:
        return process.returncode
    below: list[psutil.Process] = []
    with suppress(psutil.NoSuchProcess):
        below = psutil.Process(process.pid).children(recursive=True)
    process.terminate()
    try:
        code = process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        code = process.wait()
    _, left = psutil.wait_procs(below, timeout=POLL_S)
    for child in left:
        with suppress(psutil.NoSuchProcess):
            child.kill()
    return code


def wait_until(done: Callable[[], object], *, seconds: float) -> bool:
    """This waits until something is so; False when it is not within `seconds`."""
    deadline = time.monotonic() + seconds
    while not done():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_S)
    return True


def _spawn(
    command: Sequence[str],
    environment: Mapping[str, str],
    output: BinaryIO | None,
    pass_fds: Sequence[int] = (),
) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT if output else None,
        pass_fds=pass_fds,
        start_new_session=True,  # Ctrl-C is for us; we stop it in order
    )


def _read(file: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(file.read_bytes()))
    except FileNotFoundError:
        return {}


def _runs(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def tail(file: Path) -> str:
    """The end of what a program printed, for a message."""
    return file.read_bytes()[-TAIL_BYTES:].decode(errors="replace")

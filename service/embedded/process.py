"""Start and stop one child process, and find one that an earlier run left behind."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from service.clock import seconds as clock_s

STAY = "-"
PARENT_DEATH = Path(__file__).with_name("parent_death.py")
LOG_BYTES = 50 * 1024 * 1024  # a log that is longer at a start is moved to NAME.log.1
TAIL_LINES = 15
POLL_S = 0.02
LOG_MODE = 0o600  # addresses and faults of people's requests are for the operator alone

Process = subprocess.Popen[bytes]


class StartupError(Exception):
    """Something of the embedded default cannot start; the text says what to do."""


def spawn(
    command: Sequence[str | Path],
    *,
    log: Path,
    env: Mapping[str, str],
    identity: str,
    orphan_signal: signal.Signals,
    pass_fds: Sequence[int] = (),
    stdin: int = subprocess.DEVNULL,
) -> Process:
    """Start a child that writes to `log` and gets `orphan_signal` should we die. `identity` is
    explained in parent_death.py.

    It has a session of its own, so a Ctrl-C in the terminal reaches only us and we choose the
    order in which children stop. Call it from the main thread: to the kernel a parent is a thread.
    """
    rotate(log)
    watch = [str(os.getpid()), str(int(orphan_signal)), identity]
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, LOG_MODE)
    os.fchmod(descriptor, LOG_MODE)  # one of an earlier version was readable by others
    with os.fdopen(descriptor, "ab") as output:
        return subprocess.Popen(  # noqa: S603  every command is ours; no shell, nothing from outside
            [sys.executable, "-I", "-S", str(PARENT_DEATH), *watch, *map(str, command)],
            stdin=stdin,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=dict(env),
            pass_fds=tuple(pass_fds),
            start_new_session=True,
        )


def stop(process: Process, *signals: tuple[signal.Signals, float]) -> None:
    """Send each signal in turn and wait its seconds for the end; at last kill. Idempotent."""
    for number, seconds in signals:
        if process.poll() is not None:
            return
        process.send_signal(number)
        wait_until(lambda: process.poll() is not None, seconds=seconds)
    if process.poll() is None:
        process.kill()
    process.wait()


def wait_until(done: Callable[[], bool], *, seconds: float) -> bool:
    deadline = clock_s() + seconds
    while not done():
        if clock_s() >= deadline:
            return False
        time.sleep(POLL_S)
    return True


def stop_orphan(pid: int, marker: Path, *signals: tuple[signal.Signals, float]) -> None:
    """Stop what an earlier run left behind, if process `pid` is that.

    A pid from a file may by now be anybody's: it is ours only when its command line holds
    `marker`, a path below our home.
    """

    def gone() -> bool:
        return str(marker) not in command_line(pid)

    for number, seconds in (*signals, (signal.SIGKILL, 10.0)):
        if gone():
            return
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return
        wait_until(gone, seconds=seconds)


def free_folder(folder: Path, *, program: str, seconds: float) -> None:
    """Wait until no process of that program works in the folder; then kill those that still do.

    Without /proc (macOS) there is nothing to look at: a start that comes too early fails, and the
    next one does not.
    """
    if wait_until(lambda: not running_in(folder, program=program), seconds=seconds):
        return
    for pid in running_in(folder, program=program):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    wait_until(lambda: not running_in(folder, program=program), seconds=seconds)


def running_in(folder: Path, *, program: str) -> list[int]:
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            where, binary = (entry / "cwd").readlink(), (entry / "exe").readlink()
        except OSError:  # it ended, or it is not ours to look at
            continue
        if where == folder and binary.name.removesuffix(" (deleted)") == program:
            found.append(int(entry.name))
    return found


def command_line(pid: int) -> list[str]:
    """Return the arguments of a running process; empty when there is none (or only its remains)."""
    proc = Path("/proc")
    if (proc / "self").exists():
        try:
            return os.fsdecode((proc / str(pid) / "cmdline").read_bytes()).split("\0")
        except (FileNotFoundError, ProcessLookupError):
            return []
    listing = subprocess.run(  # noqa: S603  a number of ours; macOS has no /proc
        ["/bin/ps", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return listing.stdout.split()


def rotate(log: Path) -> None:
    log.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if log.exists() and log.stat().st_size > LOG_BYTES:
        log.chmod(LOG_MODE)
        log.replace(log.with_name(log.name + ".1"))


def tail(log: Path) -> str:
    """Return the last lines of a log, indented, for a message."""
    if not log.exists():
        return "    (no log)"
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 16_384))
        lines = file.read().decode(errors="replace").splitlines()[-TAIL_LINES:]
    return "\n".join(f"    {line}" for line in lines)

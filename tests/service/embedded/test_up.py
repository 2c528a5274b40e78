"""`saxaul up` as a user runs it: its own process, real servers, real API and worker."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.embedded.process import command_line, wait_until

UP = "from service.embedded.up import run_up; from service.settings import Settings; "
COMMAND = [sys.executable, "-c", f"{UP}raise SystemExit(run_up(Settings()))"]
PROGRAMS = {
    "api": "service.main",
    "worker": "workers.main",
    "valkey": "valkey.conf",
    "postgres": "bin/postgres",
}
finds_children = pytest.mark.skipif(sys.platform != "linux", reason="they are found in /proc")

PATIENCE_S = 120


@dataclass(frozen=True)
class Up:
    home: Path
    process: subprocess.Popen[bytes]

    @property
    def output(self) -> str:
        return (self.home / "output").read_text()

    @property
    def url(self) -> str:
        found = re.search(r"http://127\.0\.0\.1:\d+", self.output)
        assert found
        return found[0]

    def pid(self, program: str) -> int | None:
        """The child whose command line holds the program's mark."""
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                status = (entry / "status").read_text()
            except (FileNotFoundError, ProcessLookupError):
                continue
            arguments = command_line(int(entry.name))[:4]
            if f"PPid:\t{self.process.pid}\n" in status and any(
                PROGRAMS[program] in part for part in arguments
            ):
                return int(entry.name)
        return None

    def ready(self) -> bool:
        try:
            return httpx.get(f"{self.url}/readyz", timeout=5.0, trust_env=False).is_success
        except httpx.TransportError:
            return False

    @property
    def curl(self) -> str:
        """The printed command."""
        found = re.search(r"curl -s .*?\}\}'", self.output, re.DOTALL)
        assert found
        return found[0]


def paste(curl: str) -> dict[str, Any]:
    """What the printed command does, where there is no curl to run it."""
    _, _, url, _, key, _, form, _, body = shlex.split(curl.replace("\\\n", ""))
    headers = dict(header.split(": ", 1) for header in (key, form))
    answer = httpx.post(url, content=body, headers=headers, trust_env=False)
    outcome: dict[str, Any] = answer.raise_for_status().json()
    return outcome


@contextmanager
def running_up(home: Path) -> Iterator[Up]:
    home.mkdir(exist_ok=True)
    with (
        (home / "output").open("wb") as output,
        subprocess.Popen(
            COMMAND,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**environment(), "SAXAUL_HOME": str(home), "SAXAUL_PORT": "0"},
        ) as process,
    ):
        up = Up(home, process)
        wait_until(lambda: "}}'" in up.output or process.poll() is not None, seconds=PATIENCE_S)
        try:
            assert process.poll() is None, up.output
            yield up
        finally:
            process.terminate()
            process.wait(timeout=60)


def environment() -> dict[str, str]:
    own = ("SAXAUL_", "DATABASE_URL", "REDIS_URL")
    return {name: value for name, value in os.environ.items() if not name.startswith(own)}


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    with running_up(tmp_path_factory.mktemp("up")) as up:
        yield up


def test_the_printed_curl_earns_points(up: Up) -> None:
    answer = paste(up.curl)

    assert answer["outcome"] == "credited"
    assert answer["points"] > 0


def test_it_shows_no_password(up: Up) -> None:
    for server in ("postgres", "valkey"):
        kept = json.loads((up.home / f"{server}.json").read_text())

        assert kept["password"] not in up.output


@finds_children
@pytest.mark.parametrize("program", PROGRAMS)
def test_a_killed_program_comes_back(up: Up, program: str) -> None:
    # The program killed before may have taken this one with it for a moment.
    assert wait_until(lambda: up.pid(program) is not None, seconds=PATIENCE_S)
    before = up.pid(program)
    assert before is not None

    os.kill(before, signal.SIGKILL)

    assert wait_until(lambda: up.pid(program) not in (None, before), seconds=PATIENCE_S)
    assert wait_until(up.ready, seconds=PATIENCE_S)


def test_a_second_up_is_told_where_the_first_is(up: Up) -> None:
    second = subprocess.run(
        COMMAND,
        env={**environment(), "SAXAUL_HOME": str(up.home), "SAXAUL_PORT": "0"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert second.returncode == 1
    assert "already running" in second.stdout
    assert up.url in second.stdout


@finds_children
def test_a_killed_up_starts_again_with_everything_and_stops_cleanly(tmp_path: Path) -> None:
    with running_up(tmp_path) as killed:
        curl = killed.curl.replace(killed.url, "URL")
        acknowledged = paste(killed.curl)
        killed.process.kill()
        killed.process.wait()

    with running_up(tmp_path) as again:
        repeated = paste(curl.replace("URL", again.url))
        children = [again.pid(program) for program in PROGRAMS]
        again.process.terminate()
        code = again.process.wait(timeout=60)

    assert repeated == {**acknowledged, "duplicate": True}
    assert code == 0
    assert "Stopped" in again.output
    assert None not in children
    assert not any(command_line(child) for child in children if child is not None)
    assert "database system is shut down" in (tmp_path / "logs" / "postgres.log").read_text()

"""`saxaul up` as a user runs it: its own process, real servers, real API and worker."""

import json
import re
import shlex
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from loadtest.harness import PROGRAMS, SystemUnderTest, clean_environment, running_of, wait_until

PATIENCE_S = 120


def ready(up: SystemUnderTest) -> bool:
    try:
        return httpx.get(f"{up.url}/readyz", timeout=5.0, trust_env=False).is_success
    except httpx.TransportError:
        return False


def printed_url(up: SystemUnderTest) -> str:
    found = re.search(r"http://127\.0\.0\.1:\d+", up.output)
    assert found
    return found[0]


def printed_curl(up: SystemUnderTest) -> str:
    found = re.search(r"curl -s .*?\}\}'", up.output, re.DOTALL)
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
def running_up(home: Path) -> Iterator[SystemUnderTest]:
    up = SystemUnderTest(home, {**clean_environment(), "SAXAUL_PORT": "0"})
    up.start()
    try:
        yield up
    finally:
        up.stop()


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SystemUnderTest]:
    with running_up(tmp_path_factory.mktemp("up")) as up:
        yield up


def test_the_printed_curl_earns_points(up: SystemUnderTest) -> None:
    answer = paste(printed_curl(up))

    assert answer["outcome"] == "credited"
    assert answer["points"] > 0


def test_others_of_this_machine_cannot_read_its_logs(up: SystemUnderTest) -> None:
    logs = list((up.home / "logs").iterdir())

    assert logs
    assert {log.stat().st_mode & 0o777 for log in logs} == {0o600}
    assert (up.home / "logs").stat().st_mode & 0o777 == 0o700


def test_webhooks_may_not_go_to_this_machine_unless_somebody_says_so(up: SystemUnderTest) -> None:
    for program in ("api", "worker"):
        for pid in up.pids(program):
            settings = psutil.Process(pid).environ()
            assert "SAXAUL_WEBHOOK_LOOPBACK" not in settings
            assert settings["SAXAUL_PUBLIC_URL"] == up.url


def test_it_shows_no_password(up: SystemUnderTest) -> None:
    for server in ("postgres", "valkey"):
        kept = json.loads((up.home / f"{server}.json").read_text())

        assert kept["password"] not in up.output


@pytest.mark.soak  # tests/flows/test_flow_kill.py kills each of them, too
@pytest.mark.parametrize("program", PROGRAMS)
def test_a_killed_program_comes_back(up: SystemUnderTest, program: str) -> None:
    # The program killed before may have taken this one with it for a moment.
    assert wait_until(lambda: up.pids(program), seconds=PATIENCE_S)
    before = up.pids(program)

    assert up.send_signal(program, signal.SIGKILL)

    assert wait_until(lambda: up.pids(program) not in ([], before), seconds=PATIENCE_S)
    assert wait_until(lambda: ready(up), seconds=PATIENCE_S)


def test_the_supervisor_says_which_process_is_which_program(up: SystemUnderTest) -> None:
    assert wait_until(lambda: all(up.pids(program) for program in PROGRAMS), seconds=PATIENCE_S)

    named = running_of(up.home)["programs"]

    assert {name.partition("-")[0] for name in named} == set(PROGRAMS)
    for program, part in {"api": "service.main", "worker": "workers.main"}.items():
        (pid,) = up.pids(program)
        assert part in psutil.Process(pid).cmdline()
    for program in ("postgres", "valkey"):
        (pid,) = up.pids(program)
        assert psutil.Process(pid).name().startswith(program)


async def test_a_second_up_is_told_where_the_first_is(up: SystemUnderTest) -> None:
    second = await up.saxaul("up")

    assert second.code == 1
    assert "already running" in second.text
    assert printed_url(up) in second.text


@pytest.mark.soak  # test_flow_kill.py starts one again, test_flow_drain.py stops one cleanly
def test_a_killed_up_starts_again_with_everything_and_stops_cleanly(tmp_path: Path) -> None:
    with running_up(tmp_path) as killed:
        curl = printed_curl(killed).replace(killed.url, "URL")
        acknowledged = paste(printed_curl(killed))
        killed.kill()

    with running_up(tmp_path) as again:
        repeated = paste(curl.replace("URL", again.url))
        children = [pid for program in PROGRAMS for pid in again.pids(program)]
        code = again.stop()

    assert repeated == {**acknowledged, "duplicate": True}
    assert code == 0
    assert "Stopped" in again.output
    assert len(children) == len(PROGRAMS)
    assert not any(psutil.pid_exists(child) for child in children)
    assert running_of(tmp_path) == {}
    assert "database system is shut down" in (tmp_path / "logs" / "postgres.log").read_text()

"""What the harness does with programs that do not start, do not end, or are not ours."""

import json
import os
import signal
import socket
import sys
from pathlib import Path

import psutil
import pytest

from loadtest.harness import (
    NotRunning,
    SystemUnderTest,
    clean_environment,
    program,
    programs_of,
    running,
    running_of,
    wait_until,
)

PATIENCE_S = 60.0
# Starts a child that ignores SIGTERM, says which, and waits.
PARENT = """
import signal, subprocess, sys, time
stubborn = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
print(subprocess.Popen([sys.executable, "-c", stubborn]).pid, flush=True)
time.sleep(600)
"""


def test_a_system_that_cannot_start_says_why(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        system = SystemUnderTest(tmp_path, {**clean_environment(), "SAXAUL_PORT": port})

        with pytest.raises(NotRunning, match=port):
            system.start()

    assert system.process.poll() == 1
    assert running_of(tmp_path) == {}


def test_a_program_ends_with_all_that_it_started(tmp_path: Path) -> None:
    output = tmp_path / "output"

    with program([sys.executable, "-c", PARENT], environment=os.environ, output=output) as parent:
        assert wait_until(lambda: output.read_text().endswith("\n"), seconds=PATIENCE_S)
        child = psutil.Process(int(output.read_text()))

    assert parent.returncode == -signal.SIGTERM
    child.wait(PATIENCE_S)
    assert not child.is_running()


async def test_a_command_that_is_left_is_ended() -> None:
    async with running(sys.executable, "-c", PARENT, environment=os.environ) as process:
        assert process.stdout is not None
        os.kill(int(await process.stdout.readline()), signal.SIGKILL)

    assert process.returncode == -signal.SIGTERM


def test_the_file_of_a_supervisor_that_is_gone_names_nobody(tmp_path: Path) -> None:
    named = {"api-1": 1, "worker": os.getpid()}  # neither is a child of ours
    (tmp_path / "running.json").write_text(json.dumps({"pid": 1, "programs": named}))

    assert programs_of(tmp_path, os.getpid())["worker"] == []
    assert programs_of(tmp_path, os.getpid())["api"] == []


def test_a_wait_for_what_never_comes_ends() -> None:
    assert not wait_until(lambda: False, seconds=0.01)


def test_settings_of_ours_stay_out_of_a_clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAXAUL_WORKERS", "7")
    monkeypatch.setenv("DATABASE_URL", "postgresql://elsewhere")

    assert not {"SAXAUL_WORKERS", "DATABASE_URL"} & clean_environment().keys()
    assert clean_environment()["PATH"] == os.environ["PATH"]

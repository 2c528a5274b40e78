"""The supervisor with small real children."""

import os
import signal
import sys
import threading
from functools import partial
from pathlib import Path

import pytest
from builders import PATIENCE_S

from service.embedded.process import STAY, Process, StartupError, spawn
from service.embedded.supervisor import DEATHS_MAX, Child, Supervisor

# Says what it does in a file, and leaves on SIGTERM unless it is called stubborn.
STAND_IN = """
import pathlib, signal, sys, time
name, journal = sys.argv[1], pathlib.Path(sys.argv[2])
def write(what):
    with journal.open("a") as file:
        file.write(f"{what} {name}\\n")
def leave(number, frame):
    write("stopped")
    sys.exit()
signal.signal(signal.SIGTERM, signal.SIG_IGN if name == "stubborn" else leave)
write("started")
time.sleep(60)
"""


def a_child(name: str, journal: Path) -> Child:
    return Child(
        name=name,
        start=partial(spawn_stand_in, name, journal),
        log=journal.with_name(f"{name}.log"),
        stop_signal=signal.SIGTERM,
        stop_s=30.0,
    )


def spawn_stand_in(name: str, journal: Path) -> Process:
    return spawn(
        [sys.executable, "-c", STAND_IN, name, journal],
        log=journal.with_name(f"{name}.log"),
        env=os.environ,
        identity=STAY,
        orphan_signal=signal.SIGKILL,
    )


def lines(journal: Path) -> list[str]:
    return journal.read_text().splitlines() if journal.exists() else []


def test_a_died_child_is_started_again(tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    child = a_child("api", journal)

    with Supervisor() as supervisor:
        supervisor.start(child)
        assert supervisor.wait_for(lambda: len(lines(journal)) == 1, seconds=PATIENCE_S)
        child.signal(signal.SIGKILL)
        assert supervisor.wait_for(lambda: len(lines(journal)) == 2, seconds=PATIENCE_S)

    assert lines(journal) == ["started api", "started api", "stopped api"]


def test_every_start_is_reported_with_all_process_ids(tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    first, second = a_child("api", journal), a_child("worker", journal)
    reported: list[dict[str, int]] = []

    with Supervisor(lambda programs: reported.append(dict(programs))) as supervisor:
        supervisor.start(first)
        supervisor.start(second)
        assert supervisor.wait_for(lambda: len(lines(journal)) == 2, seconds=PATIENCE_S)
        first.signal(signal.SIGKILL)
        assert supervisor.wait_for(lambda: len(lines(journal)) == 3, seconds=PATIENCE_S)

    assert [set(programs) for programs in reported] == [
        {"api"}, {"api", "worker"}, {"api", "worker"},
    ]  # fmt: skip
    assert reported[2]["worker"] == reported[1]["worker"]
    assert reported[2]["api"] != reported[1]["api"]


def test_a_child_that_dies_again_and_again_is_given_up_visibly(tmp_path: Path) -> None:
    child = a_child("api", tmp_path / "journal")
    child.log.write_text("the reason\n")
    child.process = spawn_stand_in("api", tmp_path / "journal")
    child.process.kill()
    child.process.wait()

    delays = [child.record_death(float(at)) for at in range(DEATHS_MAX - 1)]

    assert delays == sorted(delays)
    assert sum(delays) < 60.0
    with pytest.raises(StartupError, match="the reason"):
        child.record_death(float(DEATHS_MAX))


def test_deaths_of_long_ago_are_forgotten(tmp_path: Path) -> None:
    child = a_child("api", tmp_path / "journal")

    delays = {child.record_death(float(at)) for at in range(0, 6000, 100)}

    assert len(delays) == 1


def test_a_signal_stops_the_last_started_first(tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    names = ["postgres", "valkey", "worker", "api"]

    with Supervisor() as supervisor:
        for count, name in enumerate(names, start=1):
            supervisor.start(a_child(name, journal))
            supervisor.wait_for(
                lambda count=count: len(lines(journal)) == count, seconds=PATIENCE_S
            )
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGTERM)

    assert lines(journal)[4:] == [f"stopped {name}" for name in reversed(names)]


def test_a_second_signal_hastens_a_stubborn_child(tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    stubborn = a_child("stubborn", journal)
    second = threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT))

    with Supervisor() as supervisor:
        supervisor.start(stubborn)
        supervisor.wait_for(lambda: len(lines(journal)) == 1, seconds=PATIENCE_S)
        second.start()
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)

    second.join()
    assert stubborn.process is not None
    assert stubborn.process.returncode == -signal.SIGKILL

"""Which faults a command line of `python -m loadtest.faults` asks for, and in which order."""

import sys
from random import Random

import pytest

from loadtest.faults.__main__ import read_options
from loadtest.faults.injection import FAULTS
from loadtest.harness import PROGRAMS


def options(monkeypatch: pytest.MonkeyPatch, *arguments: str):
    monkeypatch.setattr(sys, "argv", ["faults", *arguments])
    return read_options()


@pytest.mark.parametrize("arguments", [(), ("--all",)])
def test_without_a_name_all_faults_are_meant(
    monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    assert options(monkeypatch, *arguments).names == list(FAULTS)


def test_every_program_and_the_supervisor_are_killed_in_some_fault() -> None:
    assert {f"kill-{program}" for program in (*PROGRAMS, "supervisor")} <= FAULTS.keys()


def test_a_seed_gives_the_same_order_again(monkeypatch: pytest.MonkeyPatch) -> None:
    seeds = [options(monkeypatch, "--seed", text).seed for text in ("7", "7", "8")]

    one, again, other = (Random(seed).sample(list(FAULTS), len(FAULTS)) for seed in seeds)

    assert one == again != other


def test_each_run_without_a_seed_has_another_one(monkeypatch: pytest.MonkeyPatch) -> None:
    assert options(monkeypatch).seed != options(monkeypatch).seed


def test_a_name_that_is_no_fault_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        options(monkeypatch, "kill-everybody")

    assert "there is no fault 'kill-everybody'" in capsys.readouterr().err

"""A demo's time moves ahead, for all its programs, and never back; real data keeps real time."""

from datetime import timedelta
from pathlib import Path

import pytest

from service.clock import CLOCK_FILE, MovedClock, read_ahead, system_clock
from service.embedded.clock import ClockRefused, check_clock, move_clock, prepare_clock
from service.embedded.process import StartupError
from service.resources import SettingMissing, clock_of
from service.settings import Settings

URL = "postgresql://somewhere/saxaul"


def test_programs_see_the_step(tmp_path: Path) -> None:
    prepare_clock(tmp_path, URL)
    settings = Settings(home=tmp_path, database_url=URL, virtual_clock=True)

    move_clock(tmp_path, "+1d")
    move_clock(tmp_path, "+2h30m")

    ahead = clock_of(settings)() - system_clock()
    assert timedelta(hours=26, minutes=29) < ahead <= timedelta(hours=26, minutes=30)
    prepare_clock(tmp_path, URL + "2")
    assert read_ahead(tmp_path / CLOCK_FILE) == timedelta(hours=26, minutes=30)


@pytest.mark.parametrize("step", ["-1d", "1", "yesterday", "+", "+1d-2h", "+99999d", ""])
def test_time_does_not_run_back(tmp_path: Path, step: str) -> None:
    prepare_clock(tmp_path, URL)

    with pytest.raises(ClockRefused):
        move_clock(tmp_path, step)

    assert read_ahead(tmp_path / CLOCK_FILE) == timedelta(0)


def test_a_program_never_goes_back(tmp_path: Path) -> None:
    prepare_clock(tmp_path, URL)
    move_clock(tmp_path, "+10d")
    clock = MovedClock(tmp_path / CLOCK_FILE)
    before = clock()

    (tmp_path / CLOCK_FILE).unlink()
    clock._looked_at = float("-inf")

    assert clock() >= before


def test_there_is_nothing_to_move_without_a_demo(tmp_path: Path) -> None:
    with pytest.raises(ClockRefused, match="saxaul up --clock"):
        move_clock(tmp_path, "+1d")


def test_another_database_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StartupError, match="DATABASE_URL"):
        check_clock(Settings(home=tmp_path, database_url=URL), wanted=True)
    prepare_clock(tmp_path, URL)
    with pytest.raises(SettingMissing, match="SAXAUL_VIRTUAL_CLOCK"):
        clock_of(Settings(home=tmp_path, database_url=URL + "2", virtual_clock=True))


def test_a_moved_clock_goes_on(tmp_path: Path) -> None:
    prepare_clock(tmp_path, URL)
    check_clock(Settings(home=tmp_path), wanted=False)
    move_clock(tmp_path, "+1d")

    with pytest.raises(StartupError, match="--clock"):
        check_clock(Settings(home=tmp_path), wanted=False)
    check_clock(Settings(home=tmp_path), wanted=True)

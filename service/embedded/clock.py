"""`saxaul up --clock` and `saxaul clock`: a demo's time, moved forward by hand, never back."""

import json
import re
from datetime import timedelta
from pathlib import Path

from service.clock import CLOCK_FILE, read_ahead
from service.embedded.home import write_private
from service.embedded.process import StartupError
from service.settings import Settings

UNITS = {"d": "days", "h": "hours", "m": "minutes"}
STEP_MAX = timedelta(days=3660)
TOTAL_MAX = timedelta(days=36600)


class ClockRefused(ValueError):
    """The clock cannot be moved so, or not here; the message says why."""


def check_clock(settings: Settings, *, wanted: bool) -> None:
    """Raise StartupError when a clock that can be moved must not run, or one must go on."""
    if wanted and settings.database_url is not None:
        raise StartupError(
            "--clock is for the embedded database only: DATABASE_URL is set, and people's real "
            "facts are never dated by a clock that can be moved. Unset it, or leave out --clock."
        )
    ahead = read_ahead(settings.home / CLOCK_FILE)
    if ahead and not wanted and settings.database_url is None:
        raise StartupError(
            f"The clock of {settings.home} was moved {ahead} ahead, and time does not run back. "
            "Start it with --clock, or set SAXAUL_HOME to another folder."
        )


def prepare_clock(home: Path, database_url: str) -> None:
    """Say in the clock file which database may be dated by it; how far ahead it is stays."""
    _write(home / CLOCK_FILE, read_ahead(home / CLOCK_FILE), database_url)


def move_clock(home: Path, by: str) -> timedelta:
    """Move the clock of a running demo ahead, by `+1d`, `+2h30m` and the like; how far it is.

    Raises ClockRefused.
    """
    file = home / CLOCK_FILE
    if not file.exists():
        raise ClockRefused(
            f"{home} has no clock that can be moved: start it with `saxaul up --clock`."
        )
    noted = json.loads(file.read_bytes())
    ahead = read_ahead(file) + step_of(by)
    if ahead > TOTAL_MAX:
        raise ClockRefused(f"The clock would be {ahead.days} days ahead; {TOTAL_MAX.days} at most.")
    _write(file, ahead, noted["database_url"])
    return ahead


def step_of(text: str) -> timedelta:
    """`+1d`, `+2h30m`, `+90m`. Raises ClockRefused for anything else, and for steps back."""
    parts = re.fullmatch(r"\+?((?:[0-9]{1,5}[dhm])+)", text)
    if parts is None:
        raise ClockRefused(
            f"{text!r} is no step ahead: say +1d, +2h30m or +90m. Time does not run back."
        )
    found = re.findall(r"([0-9]+)([dhm])", parts[1])
    step = sum((timedelta(**{UNITS[unit]: int(n)}) for n, unit in found), timedelta(0))
    if step > STEP_MAX:
        raise ClockRefused(f"One step is at most {STEP_MAX.days} days.")
    return step


def _write(file: Path, ahead: timedelta, database_url: str) -> None:
    noted = {"ahead_s": int(ahead.total_seconds()), "database_url": database_url}
    write_private(file, json.dumps(noted, indent=2) + "\n")

"""Commands that run the system here."""

from typing import Annotated

import typer

from methodologies.contract import CatalogueBroken
from methodologies.plugins import load_all
from service.clock import CLOCK_FILE, read_ahead, system_clock
from service.embedded.clock import ClockRefused, move_clock
from service.embedded.up import run_up
from service.settings import Settings
from service.terminal import fail, out


def up(
    clock: Annotated[
        bool, typer.Option("--clock", help="For demos: time that `saxaul clock` moves ahead.")
    ] = False,
    workers: Annotated[
        int | None, typer.Option(min=1, max=64, help="API processes; default SAXAUL_WORKERS, or 1.")
    ] = None,
) -> None:
    """Run everything here: PostgreSQL, Valkey, migrations, demo data, API and worker.

    DATABASE_URL and REDIS_URL switch to servers of yours. Data stays in SAXAUL_HOME (./.saxaul).
    Ctrl-C stops it cleanly.
    """
    changes = {} if workers is None else {"workers": workers}
    settings = Settings().model_copy(update=changes)
    _refuse_broken(settings)
    raise typer.Exit(run_up(settings, clock=clock))


def _refuse_broken(settings: Settings) -> None:
    """Leave with file, line and reason where the API would not start, before anything does."""
    try:
        load_all(settings.methodology_path, system_clock().date())
    except CatalogueBroken as broken:
        raise fail(broken) from broken


def clock(
    ahead: Annotated[str | None, typer.Argument(help="+1d, +2h30m, +90m; never back.")] = None,
) -> None:
    """Move the time of a demo that runs with `saxaul up --clock`, or show it."""
    home = Settings().home
    try:
        moved = read_ahead(home / CLOCK_FILE) if ahead is None else move_clock(home, ahead)
    except ClockRefused as error:
        raise fail(error) from error
    out.print(f"It is {system_clock() + moved:%Y-%m-%d %H:%M} UTC, {moved} ahead.")

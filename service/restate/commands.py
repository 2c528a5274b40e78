"""`saxaul restate`, `saxaul shadow` and `saxaul versions`: each calls one use case and shows it."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import orjson
import typer
from rich.table import Table
from typer.core import TyperGroup

from methodologies.catalogue import Catalogue
from methodologies.contract import CatalogueBroken
from methodologies.digest import LOCK
from methodologies.folder import PACKAGED
from methodologies.force import spans
from methodologies.lock import lock, put_in_force, withdraw
from methodologies.plugins import load_all
from service.clock import system_clock
from service.errors import RunNotFound
from service.http.pages import LAST_ID
from service.local import local_resources, local_settings, run
from service.restate import store
from service.restate.chunks import ACTIONS_MAX, ChunkLimits
from service.restate.compare import PPM
from service.restate.restate import restate, try_out
from service.restate.rules import (
    Span,
    activity_of,
    alternative_of,
    change_of,
    checked,
    closed_span,
)
from service.restate.shadow import KIND as SHADOW
from service.restate.shadow import compare, comparison_of
from service.restate.show import comparison_table, effect_tables, publication_lines
from service.settings import PROGRAMME_FROM, PROGRAMME_TO, Settings
from service.terminal import fail, out, progress

Days = Annotated[
    tuple[str, str] | None,
    typer.Option(metavar="DAY DAY", help="Local days, both included, such as 2026-01-31."),
]
Chunk = Annotated[int, typer.Option(min=1, max=store.PEOPLE_MAX, help="People in one transaction.")]
ReportFile = Annotated[Path | None, typer.Option(help="Write the report as JSON to this file.")]
Folder = Annotated[Path, typer.Option(help="The folder that holds the methodologies.")]


def restate_command(
    methodology: Annotated[str, typer.Argument(help="Its id, e.g. cycle.bike.")],
    from_: Annotated[str, typer.Option("--from", help="The version that assessed them.")],
    to: Annotated[str, typer.Option("--to", help="The published version to assess by.")],
    between: Days = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Work everything out, write nothing.")
    ] = False,
    report: ReportFile = None,
    chunk: Chunk = store.PEOPLE_MAX,
) -> None:
    """Assess past actions again under a later version, as new facts. Points stay.

    A run that was killed goes on where it was when the command is given again.
    """

    async def work() -> dict[str, Any]:
        async with local_resources() as resources, _bar("Restating") as bar:
            settings = resources.settings
            catalogue = _catalogue(settings)
            change = change_of(catalogue, methodology, from_, to)
            asked = _span(between)
            closed = closed_span(
                asked, now_day=resources.clock().date(), late_days=settings.late_days
            )
            size = ChunkLimits(chunk, ACTIONS_MAX)
            if dry_run:
                return await try_out(
                    resources,
                    catalogue,
                    change,
                    closed=closed,
                    size=size,
                    started=bar.started,
                    advanced=bar.advanced,
                )
            return await restate(
                resources,
                catalogue,
                change,
                between=asked,
                closed=closed,
                size=size,
                started=bar.started,
                advanced=bar.advanced,
            )

    found = run(work())
    for table in effect_tables(found):
        out.print(table)
    word = "Would restate" if dry_run else "Restated"
    out.print(
        f"{word} {found['from']} as {found['to']}, {found['first_day']} to "
        f"{found['last_day']}: estimated avoided emissions, points stay.",
        highlight=False,
    )
    for line in publication_lines(found):
        out.print(line, highlight=False)
    _write(report, found)


class _RunByDefault(TyperGroup):
    """`saxaul shadow cycle.bike ...` is `saxaul shadow run cycle.bike ...`."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        known = args[0] in self.commands
        return super().resolve_command(ctx, args if known else ["run", *args])


shadow_app = typer.Typer(
    help="Run another version or method over past actions, and only compare.",
    cls=_RunByDefault,
    no_args_is_help=True,
)


@shadow_app.command("run")
def shadow_run(
    methodology: Annotated[str, typer.Argument(help="Whose actions, e.g. cycle.bike.")],
    alternative: Annotated[str, typer.Option(help="ID@VERSION of any status.")],
    sample: Annotated[str, typer.Option(help="Share of the actions, 0 to 1.")] = "1",
    between: Days = None,
    report: ReportFile = None,
    chunk: Chunk = store.PEOPLE_MAX,
) -> None:
    """Compare what is recorded with what an alternative would give. Nothing is counted."""
    sample_ppm = _ppm(sample)

    async def work() -> dict[str, Any]:
        async with local_resources() as resources, _bar("Comparing") as bar:
            catalogue = _catalogue(resources.settings)
            activity = activity_of(catalogue, methodology)
            return await compare(
                resources,
                catalogue,
                methodology=methodology,
                alternative=alternative_of(catalogue, activity, alternative),
                sample_ppm=sample_ppm,
                between=checked(_span(between) or Span(PROGRAMME_FROM, PROGRAMME_TO)),
                size=ChunkLimits(chunk, ACTIONS_MAX),
                started=bar.started,
                advanced=bar.advanced,
            )

    _show_comparison(run(work()), report)


@shadow_app.command("list")
def shadow_list() -> None:
    """Show the shadow runs, newest first."""

    async def work() -> Table:
        table = Table("run", "methodology", "alternative", "days", "sample", "status", "ratio")
        async with local_resources() as resources, resources.sessions() as session:
            for row in await store.runs_before(session, before=LAST_ID, kind=SHADOW, limit=200):
                found = comparison_of(row)
                table.add_row(
                    found["run_id"],
                    found["methodology"],
                    found["alternative"],
                    f"{found['first_day']} to {found['last_day']}",
                    str(Decimal(found["sample_ppm"]) / PPM),
                    found["status"],
                    found["total"]["ratio"] or "-",
                )
        return table

    out.print(run(work()))


@shadow_app.command("show")
def shadow_show(
    run_id: Annotated[UUID, typer.Argument(help="Its id, from `saxaul shadow list`.")],
    report: ReportFile = None,
) -> None:
    """Show how far apart the two are, cell by cell."""

    async def work() -> dict[str, Any]:
        async with local_resources() as resources, resources.sessions() as session:
            row = await store.find_run(session, run_id)
            if row is None or row["kind"] != SHADOW:
                raise RunNotFound(f"There is no shadow run {run_id}. See `saxaul shadow list`.")
            return comparison_of(row)

    _show_comparison(run(work()), report)


def _show_comparison(found: dict[str, Any], report: Path | None) -> None:
    out.print(comparison_table(found))
    out.print(
        f"Run {found['run_id']}: {found['alternative']} beside {found['methodology']}, "
        f"{found['status']}. It is never counted.",
        highlight=False,
    )
    _write(report, found)


versions_app = typer.Typer(
    help="Which version of a methodology assesses which days.", no_args_is_help=True
)


def _changed(change: Callable[[], str]) -> None:
    try:
        out.print(change(), highlight=False)
    except CatalogueBroken as broken:
        raise fail(broken) from broken


@versions_app.command("list")
def versions_list() -> None:
    """Show every version, and the days whose actions it assesses."""
    catalogue = _catalogue(local_settings())
    table = Table("methodology", "version", "status", "assesses actions of")
    for row in version_rows(catalogue):
        table.add_row(*row)
    out.print(table)


@versions_app.command("publish")
def versions_publish(folder: Folder = PACKAGED) -> None:
    """Lock every version with `status: published` that is not locked yet."""
    _changed(
        lambda: (
            "".join(f"locked {one}\n" for one in lock(folder)).strip()
            or f"nothing new beside {folder / LOCK}"
        )
    )


@versions_app.command("force")
def versions_force(
    reference: Annotated[str, typer.Argument(help="ID@VERSION, published.")],
    first_day: Annotated[str, typer.Argument(help="Its first day, 14 days ahead or more.")],
    folder: Folder = PACKAGED,
) -> None:
    """Let a version assess the actions of a day and later. Programs read it when they start."""
    day = _day(first_day)

    def change() -> str:
        put_in_force(folder, reference, day, recorded_on=system_clock().date())
        return f"{reference} assesses actions of {day} and later."

    _changed(change)


@versions_app.command("withdraw")
def withdraw_(
    reference: Annotated[str, typer.Argument(help="ID@VERSION.")],
    reason: Annotated[str, typer.Argument(help="Why, in a sentence.")],
    folder: Folder = PACKAGED,
) -> None:
    """Let a version take no new actions; the one before takes its days."""

    def change() -> str:
        withdraw(folder, reference, reason)
        return f"{reference} is withdrawn and takes no new actions."

    _changed(change)


def version_rows(catalogue: Catalogue) -> list[tuple[str, str, str, str]]:
    """Return every version with its state and the days that it assesses, in words."""
    newest_first = catalogue.editions()[::-1]
    rows: list[tuple[str, str, str, str]] = []
    for edition in catalogue.editions():
        published = {
            one.reference: one.in_force_from
            for one in newest_first
            if one.id == edition.id and one.status == "published"
        }
        span = spans(published).get(edition.reference)
        words = "none"
        if span is not None:
            words = f"{span[0]} to {span[1] or PROGRAMME_TO}"
        rows.append((edition.id, edition.version, edition.status, words))
    return rows


@dataclass(slots=True)
class _Bar:
    started: Callable[[int, int], None]
    advanced: Callable[[int], None]


@asynccontextmanager
async def _bar(what: str) -> AsyncIterator[_Bar]:
    with progress() as shown:
        task = shown.add_task(what, total=None)
        yield _Bar(
            started=lambda total, done: shown.update(task, total=total, completed=done),
            advanced=lambda actions: shown.advance(task, actions),
        )


def _catalogue(settings: Settings) -> Catalogue:
    try:
        return load_all(settings.methodology_path, system_clock().date())
    except CatalogueBroken as broken:
        raise fail(broken) from broken


def _span(between: tuple[str, str] | None) -> Span | None:
    if between is None:
        return None
    return Span(_day(between[0]), _day(between[1]))


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise fail(f"{text!r} is not a day such as 2026-01-31.") from error


def _ppm(sample: str) -> int:
    try:
        share = Decimal(sample)
    except InvalidOperation as error:
        raise fail(f"{sample!r} is not a share such as 0.1.") from error
    if not (share.is_finite() and 0 < share <= 1 and share * PPM == int(share * PPM)):
        raise fail("a sample is above 0, at most 1, and has at most six decimals.")
    return int(share * PPM)


def _write(file: Path | None, report: dict[str, Any]) -> None:
    if file is not None:
        file.write_bytes(orjson.dumps(report, option=orjson.OPT_INDENT_2) + b"\n")

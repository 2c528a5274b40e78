"""`saxaul replay`: a file's events through the HTTP API."""

import asyncio
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from service.clock import seconds
from service.local import read_demo_file
from service.replay.citibike import read_trips
from service.replay.jsonl import STANDARD_INPUT, read_events
from service.replay.record import Record, Unreadable
from service.replay.send import ReplayStopped, Summary, Target, send
from service.settings import Settings
from service.terminal import err, fail, out, progress


class Format(StrEnum):
    """What a file to replay holds."""

    CITIBIKE = "citibike"
    CLOUDEVENTS = "cloudevents"


def replay(
    file: Annotated[Path, typer.Argument(help="The file to read; - for standard input.")],
    format_: Annotated[Format, typer.Option("--format", help="What the file holds.")],
    url: Annotated[str | None, typer.Option(help="The API; default: the one running here.")] = None,
    key: Annotated[
        str | None, typer.Option(envvar="SAXAUL_KEY", help="A key with events:backfill.")
    ] = None,
    source: Annotated[str, typer.Option(help="Source of citibike events.")] = "bike",
    shift_years: Annotated[
        int, typer.Option(help="Years to add, to bring old trips into the programme.")
    ] = 0,
    batch: Annotated[int, typer.Option(min=1, max=1000, help="Events in a request.")] = 500,
    concurrency: Annotated[int, typer.Option(min=1, max=64, help="Requests at once.")] = 2,
    patience: Annotated[
        float, typer.Option(min=0, help="Seconds to wait for an API that is away.")
    ] = 120,
) -> None:
    """Send a file's events through the HTTP API, with a summary by outcome.

    Running it twice changes no total: repeats are answered as duplicates.
    """
    demo = read_demo_file(Settings())
    url, key = url or demo.get("url"), key or demo.get("backfill_key")
    if url is None or key is None:
        raise fail("no API is running here: say --url and --key, or run `saxaul up` first.")
    if file != STANDARD_INPUT and not file.is_file():
        raise fail(f"there is no file {file}.")
    target = Target(url, key, batch, concurrency, patience)
    try:
        records: Iterable[Record | Unreadable] = read_events(file)
        total = None
        if format_ is Format.CITIBIKE:
            records = list(read_trips(file, source=source, shift_years=shift_years))
            total = len(records)
        with progress() as bar:
            task = bar.add_task(f"Replaying {file.name}", total=total)
            started = seconds()
            summary = asyncio.run(send(records, target, lambda n: bar.advance(task, n)))
            elapsed_s = seconds() - started
    except* (ReplayStopped, ValueError, OSError) as group:
        raise fail(str(group.exceptions[0])) from None
    _show(summary, elapsed_s)
    raise typer.Exit(1 if summary.outcomes["problem"] else 0)


def _show(summary: Summary, elapsed_s: float) -> None:
    table = Table("outcome", "reason", "events")
    for outcome, count in sorted(summary.outcomes.items()):
        table.add_row(outcome, "", f"{count:,}")
        for (name, reason), some in sorted(summary.reasons.items()):
            if name == outcome:
                table.add_row("", reason, f"{some:,}", style="dim")
    out.print(table)
    count = summary.outcomes.total()
    out.print(
        f"{count:,} events in {elapsed_s:.1f} s ({count / max(elapsed_s, 0.001):,.0f}/s), "
        f"{summary.retries} requests sent again; "
        f"{summary.avoided_mg / 1000:,.3f} g CO2e estimated avoided emissions and "
        f"{summary.points:,} points are new.",
        highlight=False,
    )
    for example in summary.examples:
        err.print(f"  {example}", style="yellow", highlight=False)

"""The command line: `saxaul --help`. Each command calls one use case and shows what it did."""

import asyncio
import logging
from collections.abc import AsyncIterator, Coroutine, Iterable
from contextlib import asynccontextmanager
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, TypeVar

import orjson
import typer
from redis.exceptions import RedisError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from sqlalchemy.exc import DBAPIError

from service.book import commands as book_commands
from service.clock import CLOCK_FILE, read_ahead, seconds, system_clock
from service.demo import put_demo
from service.embedded.clock import ClockRefused, move_clock
from service.embedded.up import run_up
from service.errors import ServiceError
from service.forest.commands import forest_app
from service.guards.commands import holds_commands
from service.main import create_app, person_key_of
from service.migrate import migrate_database
from service.partners import store
from service.partners.commands import Program
from service.partners.commands import app as partner_app
from service.partners.issuer import IssuerMissing, mint_token
from service.partners.keys import DEFAULT_SCOPES, SCOPES, TEST_SCOPES, make_key
from service.partners.people import Hasher
from service.partners.register import check_id
from service.replay.citibike import read_trips
from service.replay.jsonl import STANDARD_INPUT, read_events
from service.replay.record import Record, Unreadable
from service.replay.send import ReplayStopped, Summary, Target, send
from service.resources import Resources, SettingMissing, clock_of, open_resources
from service.restate.commands import Terminal
from service.restate.commands import add_commands as add_restating
from service.settings import Settings
from service.totals.counters import Counters
from service.totals.rebuild import rebuild_days, rebuild_live
from service.totals.reconcile import Check, is_quiet
from service.totals.reconcile import reconcile as check_everything
from service.webhooks.outbound.commands import listen

app = typer.Typer(
    help="Saxaul: green actions in, estimated avoided emissions and points out.",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
)
keys_app = typer.Typer(help="API keys of partners.", no_args_is_help=True)
app.add_typer(keys_app, name="keys")
app.add_typer(book_commands.factors_app, name="factors")
app.add_typer(book_commands.methodology_app, name="methodology")
app.add_typer(book_commands.receipt_app, name="receipt")
app.command("book")(book_commands.book)
app.command()(listen)
out = Console()
err = Console(stderr=True)

QUIET_POLL_S = 0.2
Result = TypeVar("Result")


class Format(StrEnum):
    """What a file to replay holds."""

    CITIBIKE = "citibike"
    CLOUDEVENTS = "cloudevents"


def found_settings() -> Settings:
    """Settings from the environment, and the URLs of the embedded default where it runs."""
    settings = Settings()
    demo = demo_of(settings)
    update: dict[str, object] = {
        name: demo[name]
        for name in ("database_url", "owner_database_url", "redis_url")
        if getattr(settings, name) is None and demo.get(name)
    }
    update["virtual_clock"] = settings.virtual_clock or (
        "database_url" in update and read_ahead(settings.home / CLOCK_FILE) > timedelta(0)
    )
    return settings.model_copy(update=update)


def demo_of(settings: Settings) -> dict[str, str]:
    """What `saxaul up` wrote about itself; empty where it never ran."""
    file = settings.home / "demo.json"
    return dict(orjson.loads(file.read_bytes())) if file.exists() else {}


def fail(message: str) -> typer.Exit:
    """Say what went wrong, and leave with 1."""
    err.print(f"[red]error:[/] {message}", highlight=False)
    return typer.Exit(1)


@asynccontextmanager
async def opened(schema: str | None = None) -> AsyncIterator[Resources]:
    """Resources of the database that is running here, or that the environment names."""
    settings = found_settings()
    async with open_resources(settings, clock_of(settings), schema=schema) as resources:
        yield resources


@app.command()
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
    given = {} if workers is None else {"workers": workers}
    settings = Settings().model_copy(update=given)
    book_commands.refuse_broken(settings)
    raise typer.Exit(run_up(settings, clock=clock))


@app.command()
def clock(
    ahead: Annotated[str | None, typer.Argument(help="+1d, +2h30m, +90m; never back.")] = None,
) -> None:
    """Move the time of a demo that runs with `saxaul up --clock`, or show it."""
    home = Settings().home
    try:
        moved = read_ahead(home / CLOCK_FILE) if ahead is None else move_clock(home, ahead)
    except ClockRefused as error:
        raise fail(str(error)) from error
    out.print(f"It is {system_clock() + moved:%Y-%m-%d %H:%M} UTC, {moved} ahead.")


@app.command()
def migrate() -> None:
    """Bring the database's schema up to date. Safe to run twice, and from two places at once."""
    try:
        version = migrate_database(found_settings())
    except SettingMissing as error:
        raise fail(str(error)) from error
    out.print(f"The database is at revision {version}.")


@app.command(hidden=True)
def demo() -> None:
    """Make the demo partner, people and projects, and write demo.json."""

    async def run() -> Path:
        settings = Settings()
        async with open_resources(settings) as resources:
            return await put_demo(resources, Hasher(person_key_of(settings)), settings.home)

    out.print(f"Demo data is described in {asyncio.run(run())}.")


@app.command()
def token(
    subject: Annotated[str, typer.Argument(help="The app's id of the person, e.g. alice.")],
    hours: Annotated[float, typer.Option(min=0.001, help="How long it is valid.")] = 24,
) -> None:
    """Print a person's token, signed by the embedded default's own issuer (for development)."""
    settings = Settings()
    told = demo_of(settings)
    issuer = settings.oidc_issuer or told.get("issuer")
    if issuer is None:
        raise fail("no issuer is known here: run `saxaul up` first, or set SAXAUL_HOME.")
    try:
        text = mint_token(
            settings.home,
            subject=subject,
            issuer=issuer,
            audience=settings.oidc_audience,
            lifetime=timedelta(hours=hours),
            clock=system_clock,
        )
    except IssuerMissing as error:
        raise fail(str(error)) from error
    typer.echo(text)


@keys_app.command("add")
def keys_add(
    partner: Annotated[str, typer.Argument(help="The partner's id; made if it is new.")],
    source: Annotated[
        list[str] | None, typer.Option(help="A source to register for it; repeatable.")
    ] = None,
    scope: Annotated[
        list[str] | None, typer.Option(help=f"One of {', '.join(SCOPES)}; repeatable.")
    ] = None,
    days: Annotated[int | None, typer.Option(min=1, help="Days until it expires.")] = None,
    test: Annotated[bool, typer.Option("--test", help="A test key, for the sandbox.")] = False,
) -> None:
    """Make a key, and the partner and sources with it. The key is shown once."""
    sources, scopes = tuple(source or ()), tuple(scope or DEFAULT_SCOPES)
    unknown = sorted(set(scopes) - set(TEST_SCOPES if test else SCOPES))
    if unknown:
        raise fail(f"there is no scope {unknown[0]!r}; there are {', '.join(SCOPES)}.")

    async def run() -> str:
        check_id(partner)
        key = make_key(is_test=test)
        async with opened() as resources, resources.sessions() as session, session.begin():
            now = resources.clock()
            await store.put_partner(session, partner, partner, now)
            for name in sources:
                owner = await store.owner_of_source(session, name)
                if owner not in (None, partner):
                    raise fail(f"the source {name!r} belongs to {owner!r}.")
            if sources:
                await store.put_sources(session, partner, sources)
            await store.put_key(
                session,
                key,
                partner=partner,
                scopes=scopes,
                now=now,
                expires_at=None if days is None else now + timedelta(days=days),
            )
        return key.text

    typer.echo(_run(run()))
    err.print("Keep it now: only its hash is stored.", style="yellow")


@keys_app.command("list")
def keys_list() -> None:
    """Show the keys there are, without their secrets."""

    async def run() -> Table:
        table = Table("prefix", "partner", "scopes", "created", "expires", "revoked")
        async with opened() as resources, resources.sessions() as session:
            for key in await store.list_keys(session):
                table.add_row(
                    key.prefix,
                    key.partner,
                    " ".join(key.scopes),
                    f"{key.created_at:%Y-%m-%d %H:%M}",
                    f"{key.expires_at:%Y-%m-%d}" if key.expires_at else "-",
                    f"{key.revoked_at:%Y-%m-%d %H:%M}" if key.revoked_at else "-",
                )
        return table

    out.print(_run(run()))


@keys_app.command("revoke")
def keys_revoke(prefix: Annotated[str, typer.Argument(help="The key's prefix.")]) -> None:
    """Revoke a key; API processes notice within SAXAUL_KEY_CACHE_SECONDS."""

    async def run() -> bool:
        async with opened() as resources, resources.sessions() as session, session.begin():
            return await store.revoke_key(session, prefix, resources.clock())

    if not _run(run()):
        raise fail(f"there is no key {prefix!r} that is not revoked yet; see `saxaul keys list`.")
    out.print(f"The key {prefix} is revoked.")


@app.command()
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
    told = demo_of(Settings())
    url, key = url or told.get("url"), key or told.get("backfill_key")
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
        with _bar() as bar:
            task = bar.add_task(f"Replaying {file.name}", total=total)
            started = seconds()
            summary = asyncio.run(send(records, target, lambda n: bar.advance(task, n)))
            elapsed_s = seconds() - started
    except* (ReplayStopped, ValueError, OSError) as group:
        raise fail(str(group.exceptions[0])) from None
    _show(summary, elapsed_s)
    raise typer.Exit(1 if summary.outcomes["problem"] else 0)


def _bar() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=err,
    )


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


@app.command()
def reconcile(
    wait: Annotated[float, typer.Option(min=0, help="Seconds to wait for quiet first.")] = 10,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Prove that everything adds up, to the milligram and to the point. Exit code 1 if not."""

    async def run() -> list[Check]:
        async with opened() as resources:
            for _ in range(int(wait / QUIET_POLL_S)):
                if await is_quiet(resources.sessions):
                    break
                await asyncio.sleep(QUIET_POLL_S)
            return await check_everything(
                resources.sessions, Counters(resources.valkey, resources.sessions)
            )

    checks = _run(run())
    if as_json:
        rows = [{"rule": c.rule, "holds": c.holds, "shown": c.shown} for c in checks]
        typer.echo(orjson.dumps(rows, option=orjson.OPT_INDENT_2))
    else:
        table = Table("rule", "", "figures")
        for check in checks:
            mark = "[green]holds[/]" if check.holds else "[red]BROKEN[/]"
            table.add_row(check.rule, mark, check.shown)
        out.print(table)
    raise typer.Exit(0 if all(check.holds for check in checks) else 1)


@app.command()
def rebuild() -> None:
    """Make the projections again: daily totals from the journal, live counters from those."""

    async def run() -> str:
        async with opened() as resources:
            with err.status("Daily totals from the journal ..."):
                await rebuild_days(resources.sessions)
            with err.status("Live counters in Valkey ..."):
                counters = Counters(resources.valkey, resources.sessions)
                sums = await rebuild_live(resources.sessions, counters, resources.clock)
        return f"{sums.everything().avoided_mg} mg in {len(sums.cells)} cells, {sums.people} people"

    out.print(f"Rebuilt: {_run(run())}.", highlight=False)


@app.command("settings")
def show_settings() -> None:
    """List every setting with its value here and its meaning."""
    table = Table("variable", "value", "meaning")
    settings = Settings()
    for name, field in Settings.model_fields.items():
        variable = {"database_url": "DATABASE_URL", "redis_url": "REDIS_URL"}.get(
            name, f"SAXAUL_{name.upper()}"
        )
        value = getattr(settings, name)
        hidden = name.endswith("_url") and value and "@" in str(value)
        table.add_row(variable, "(set)" if hidden else str(value), field.description or "")
    out.print(table)


@app.command()
def openapi() -> None:
    """Print the OpenAPI document."""
    document = create_app(Settings()).openapi()
    typer.echo(orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS))


def _run(work: Coroutine[None, None, Result]) -> Result:
    """Run a command's work; what stands in its way becomes a sentence and exit code 1."""
    try:
        return asyncio.run(work)
    except SettingMissing as error:
        raise fail(str(error)) from error
    except ServiceError as error:
        raise fail(error.detail) from error
    except (OSError, DBAPIError, RedisError) as error:
        raise fail(
            f"a server does not answer ({error}). Is `saxaul up` running with this SAXAUL_HOME?"
        ) from error


app.add_typer(holds_commands(opened, _run, fail), name="holds")
add_restating(app, Terminal(out, err, opened, _run, fail, found_settings))
app.add_typer(forest_app(opened, _run, fail), name="forest")
partner_program = Program(
    opened, _run, fail, lambda: demo_of(Settings()).get("url", "http://127.0.0.1:8000")
)
app.add_typer(partner_app, name="partner", context_settings={"obj": partner_program})


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING)
    app()

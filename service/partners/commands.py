"""`saxaul partner ...`: each command calls one use case and shows what it did."""

from datetime import timedelta
from typing import Annotated

import typer
from rich.table import Table

from service.local import local_resources, read_demo_file, run
from service.partners import register as use
from service.partners import store
from service.partners.caller import OWN
from service.partners.changes import PEOPLE, RealmBody
from service.partners.keys import DEFAULT_SCOPES, SCOPES
from service.partners.proposal_commands import make_or_propose, say_proposed
from service.partners.schemas import People
from service.partners.tables import Proposal
from service.settings import Settings
from service.terminal import fail, out

app = typer.Typer(help="Partners: who may report, with sources and keys.", no_args_is_help=True)
PAGE = 200
URL = "http://127.0.0.1:8000"  # where nothing runs here
NEXT = """
Both keys are shown this once: only their hashes are stored. Try the test key first; it does what
the live key does, with totals of its own:

curl -s {url}/v1/events -H 'Authorization: Bearer {test}' \\
  -H 'Content-Type: application/cloudevents+json' \\
  -d '{{"specversion": "1.0", "id": "first-1", "source": "{source}", "type": "transit.metro",
       "subject": "alice", "time": "'$(TZ=UTC-8 date +%Y-%m-%dT%H:%M:%S+08:00)'",
       "data": {{"distance_km": "12.4", "trip_id": "trip-1", "region": "CN"}}}}'

Then: your own webhooks without a change on your side, docs/merchants.md. `saxaul partner show
{partner}` lists sources and keys; `saxaul partner wipe-test {partner}` starts the test data anew.
"""
WHOSE = "Whose people its subjects are: its own customers, or the programme's own people."
Id = Annotated[str, typer.Argument(help="The partner's id, e.g. golden-wok.")]


@app.command()
def add(
    partner: Id,
    source: Annotated[list[str], typer.Option(help="A source to report under; repeatable.")],
    name: Annotated[str | None, typer.Option(help="The name to show; default: the id.")] = None,
    scope: Annotated[
        list[str] | None, typer.Option(help=f"One of {', '.join(SCOPES)}; repeatable.")
    ] = None,
    days: Annotated[int | None, typer.Option(min=1, help="Days until the keys expire.")] = None,
    people: Annotated[People, typer.Option(help=WHOSE)] = "own",
) -> None:
    """Register a partner with a live and a test key, and say what to do next."""
    scopes = tuple(scope or DEFAULT_SCOPES)
    unknown = sorted(set(scopes) - set(SCOPES))
    if unknown:
        raise fail(f"there is no scope {unknown[0]!r}; there are {', '.join(SCOPES)}.")

    if "admin" in scopes:
        raise fail("an administrator's key is made by `saxaul keys add`.")

    async def work() -> tuple[use.Registered, Proposal | None]:
        async with local_resources() as resources, resources.sessions() as session, session.begin():
            now = resources.clock()
            made = await use.register(
                session,
                partner,
                name=name or partner,
                sources=tuple(source),
                scopes=scopes,
                expires_at=None if days is None else now + timedelta(days=days),
                app_source=resources.settings.app_source,
                now=now,
            )
            if people == OWN:
                return made, None
            body = RealmBody(partner=partner, people=people)
            return made, await make_or_propose(resources, session, PEOPLE, body)

    made, proposal = run(work())
    if proposal is not None:
        say_proposed(proposal)
    typer.echo(f"live key: {made.live.text}\ntest key: {made.test.text}")
    typer.echo(
        NEXT.format(
            url=read_demo_file(Settings()).get("url", URL),
            test=made.test.text,
            source=source[0],
            partner=partner,
        )
    )


@app.command("list")
def list_() -> None:
    """Show every partner with its sources."""

    async def work() -> Table:
        table = Table("partner", "name", "people", "sources", "since", "state")
        async with local_resources() as resources, resources.sessions() as session:
            after = ""
            while page := await store.partners_after(session, after, PAGE):
                for one in page:
                    sources = " ".join(await store.sources_of(session, one.partner))
                    state = "disabled" if one.disabled_at else "active"
                    since = f"{one.created_at:%Y-%m-%d}"
                    table.add_row(one.partner, one.name, one.people, sources, since, state)
                after = page[-1].partner
        return table

    out.print(run(work()))


@app.command()
def show(partner: Id) -> None:
    """Show a partner's sources and keys; secrets are stored nowhere."""

    async def work() -> tuple[str, Table]:
        table = Table("prefix", "mode", "scopes", "created", "expires", "last used", "revoked")
        async with local_resources() as resources, resources.sessions() as session:
            found = await use.known(session, partner)
            sources = ", ".join(await store.sources_of(session, partner)) or "none"
            for key in await store.list_keys(session, partner):
                dates = (key.created_at, key.ends_at, key.last_used_at, key.revoked_at)
                table.add_row(
                    key.prefix,
                    "test" if key.is_test else "live",
                    " ".join(key.scopes),
                    *(f"{date:%Y-%m-%d %H:%M}" if date else "-" for date in dates),
                )
        state = f"disabled since {found.disabled_at}" if found.disabled_at else "active"
        people = f"people: {found.people}"
        return f"{found.partner} ({found.name}), {state}; {people}; sources: {sources}", table

    head, table = run(work())
    out.print(head, highlight=False)
    out.print(table)


@app.command()
def disable(partner: Id) -> None:
    """Refuse a partner's keys and connectors; what it recorded stays."""
    _switch(partner, disabled=True)
    out.print(f"{partner} is disabled; API processes notice within seconds.")


@app.command()
def enable(partner: Id) -> None:
    """Take a disabled partner's keys and connectors again."""
    _switch(partner, disabled=False)
    out.print(f"{partner} is enabled; API processes notice within seconds.")


@app.command("people")
def people_(partner: Id, people: Annotated[People, typer.Argument(help=WHOSE)]) -> None:
    """Say whose people a partner's subjects are from now on.

    What it reported before stays where it is; an event that comes again is found there.
    """

    body = RealmBody(partner=partner, people=people)

    async def work() -> Proposal | None:
        async with local_resources() as resources, resources.sessions() as session, session.begin():
            return await make_or_propose(resources, session, PEOPLE, body)

    if proposal := run(work()):
        say_proposed(proposal)
        return
    whose = "people of the programme" if people == "programme" else "customers of its own"
    out.print(f"{partner} reports {whose}; API processes notice within seconds.")


@app.command()
def quota(
    partner: Id,
    per_minute: Annotated[
        int | None,
        typer.Argument(min=0, help="Requests and events a minute; 0 is no quota. None: settings."),
    ] = None,
) -> None:
    """Give a partner a quota of its own, or the settings' one again."""

    async def work() -> None:
        async with local_resources() as resources, resources.sessions() as session, session.begin():
            await use.set_quota(session, partner, per_minute, now=resources.clock())

    run(work())
    limit = "the settings' quota" if per_minute is None else f"a quota of {per_minute} a minute"
    out.print(f"{partner} has {limit}; API processes notice within seconds.")


def _switch(partner: str, *, disabled: bool) -> None:
    async def work() -> None:
        async with local_resources() as resources, resources.sessions() as session, session.begin():
            await use.set_disabled(session, partner, disabled=disabled, now=resources.clock())

    run(work())


def no_such_partner(partner: str) -> typer.Exit:
    """Return what ends a command that names a partner who is not there."""
    return fail(f"there is no partner {partner!r}; see `saxaul partner list`.")

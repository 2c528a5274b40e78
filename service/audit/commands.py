"""`saxaul audit-trail`: what those who act changed, newest first."""

from typing import Annotated

import typer
from rich.table import Table

from service.audit import store
from service.audit.schemas import view_of
from service.audit.store import Wanted
from service.http.pages import LAST_ID
from service.local import local_resources, run
from service.terminal import out

SHOWN = 100
SHOWN_MAX = 10_000


def audit_trail(
    act: Annotated[
        str | None, typer.Option(help="Only this act, or all of a kind: `key`, `key.revoked`.")
    ] = None,
    target: Annotated[
        str | None, typer.Option(help="Only what was done to this, e.g. partner:golden-wok.")
    ] = None,
    actor: Annotated[str | None, typer.Option(help="Only acts of this key, person, login.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=SHOWN_MAX, help="How many, at most.")] = SHOWN,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON object a line, whole, for other programs.")
    ] = False,
) -> None:
    """Show what was changed: when, by whom, from where, on what. Newest first."""
    wanted = Wanted(act=act, target=target, actor=actor)

    async def read() -> None:
        async with local_resources() as resources, resources.sessions() as session:
            rows = await store.events_before(session, wanted, before=LAST_ID, limit=limit)
        views = [view_of(row) for row in rows]
        if as_json:
            for view in views:
                typer.echo(view.model_dump_json())
            return
        table = Table("time", "who", "from", "act", "target", "changes")
        for view in views:
            changed = ", ".join(f"{name}: {a} -> {b}" for name, (a, b) in view.changes.items())
            who = f"{view.actor.kind} {view.actor.id}"
            when = f"{view.recorded_at:%Y-%m-%d %H:%M:%S}"
            table.add_row(when, who, view.address or "-", view.act, view.target, changed)
        out.print(table)

    run(read())

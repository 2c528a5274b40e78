"""`saxaul proposals`: changes that need two persons; and how a command makes one, or proposes it.

Confirming goes through the API with a key, since who sits at a command line is not proved.
"""

from typing import Annotated, Any

import httpx
import typer
from rich.table import Table
from sqlalchemy.ext.asyncio import AsyncSession

from service.local import read_demo_file
from service.partners import store
from service.partners.tables import Proposal
from service.partners.two_persons import Body, Change, propose
from service.resources import Resources
from service.settings import Settings
from service.terminal import err, fail, out

OPERATOR = "operator"  # stands for the partner of whoever proposes at the command line
TIMEOUT_S = 30.0
SHOWN_MAX = 200
app = typer.Typer(help="Changes that need two persons.", no_args_is_help=True)
Id = Annotated[str, typer.Argument(help="The proposal's id.")]
Url = Annotated[str | None, typer.Option(help="The API; default: the one running here.")]
Key = Annotated[
    str | None,
    typer.Option(envvar="SAXAUL_KEY", help="A key with the scope that the proposal names."),
]


async def needs_second(resources: Resources, session: AsyncSession, scope: str) -> bool:
    """Return whether a second person is needed, and there is a key that could be theirs.

    The first administrator's key has nobody who could confirm it.
    """
    return resources.settings.two_persons and await store.may_confirm(
        session, scope, resources.clock()
    )


async def make_or_propose(
    resources: Resources, session: AsyncSession, change: Change[Body], body: Body
) -> Proposal | None:
    """Make a change of an operator's at once, or return the proposal that waits for a second."""
    now = resources.clock()
    if await needs_second(resources, session, change.scope):
        return await propose(session, change, body, partner=OPERATOR, now=now)
    await change.make(session, body, OPERATOR, now)
    return None


def say_proposed(proposal: Proposal) -> None:
    """Say that a change waits, and who may confirm it."""
    err.print(
        f"Proposed, until {proposal.expires_at:%Y-%m-%d %H:%M}: whoever has a key with the scope "
        f"{proposal.scope} confirms it, with `saxaul proposals confirm {proposal.proposal_id}`.",
        style="yellow",
        highlight=False,
        soft_wrap=True,
    )


@app.command("list")
def list_(
    everything: Annotated[bool, typer.Option("--all", help="Those that ended, too.")] = False,
    url: Url = None,
    key: Key = None,
) -> None:
    """Show what waits for a second person."""
    wanted = {"limit": str(SHOWN_MAX), **({} if everything else {"state": "open"})}
    found = _ask("GET", "/v1/proposals", url, key, params=wanted)
    table = Table("proposal", "what", "says", "by", "until", "state")
    for row in found["data"]:
        says = ", ".join(f"{name}: {value}" for name, value in row["body"].items())
        by, until = f"{row['proposer_kind']} {row['proposer']}", row["expires_at"][:16]
        table.add_row(row["proposal_id"], row["kind"], says, by, until, row["state"])
    out.print(table)


@app.command()
def confirm(proposal: Id, url: Url = None, key: Key = None) -> None:
    """Make a change that somebody else proposed."""
    done = _ask("POST", f"/v1/proposals/{proposal}/confirm", url, key)
    out.print(f"Done: {done['kind']}.", highlight=False)


@app.command()
def reject(proposal: Id, url: Url = None, key: Key = None) -> None:
    """End a proposal without its change."""
    done = _ask("POST", f"/v1/proposals/{proposal}/reject", url, key)
    out.print(f"Rejected: {done['kind']}.", highlight=False)


def _ask(verb: str, path: str, url: str | None, key: str | None, **more: Any) -> dict[str, Any]:
    demo = read_demo_file(Settings())
    url, key = url or demo.get("url"), key or demo.get("admin_key")
    if url is None or key is None:
        raise fail("no API is running here: say --url and --key, or set SAXAUL_KEY.")
    headers = {"Authorization": f"Bearer {key}"}
    try:
        answer = httpx.request(
            verb, f"{url}{path}", headers=headers, timeout=TIMEOUT_S, trust_env=False, **more
        )
    except httpx.TransportError as error:
        raise fail(f"the API at {url} does not answer ({error}).") from error
    if answer.is_error:
        raise fail(str(answer.json().get("detail", answer.text)))
    return dict(answer.json())

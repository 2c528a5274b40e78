"""Commands that let somebody in: people's tokens for development, and partners' keys."""

from datetime import timedelta
from typing import Annotated

import typer
from rich.table import Table

from service.clock import system_clock
from service.local import local_resources, read_demo_file, run
from service.partners import store
from service.partners.change_keys import UnstoredKey, put_key, revoke_lineage
from service.partners.changes import ADMIN_KEY, key_body
from service.partners.first_key import make_first_key
from service.partners.issuer import IssuerMissing, mint_token
from service.partners.keys import DEFAULT_SCOPES, SCOPES, TEST_SCOPES, make_key
from service.partners.proposal_commands import make_or_propose, say_proposed
from service.partners.register import add_partner, check_id, put_sources
from service.partners.tables import Proposal
from service.settings import Settings
from service.terminal import err, fail, out

keys_app = typer.Typer(help="API keys of partners.", no_args_is_help=True)


def token(
    subject: Annotated[str, typer.Argument(help="The app's id of the person, e.g. alice.")],
    hours: Annotated[float, typer.Option(min=0.001, help="How long it is valid.")] = 24,
) -> None:
    """Print a person's token, signed by the embedded default's own issuer (for development)."""
    settings = Settings()
    demo = read_demo_file(settings)
    issuer = settings.oidc_issuer or demo.get("issuer")
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
        raise fail(error) from error
    typer.echo(text)


async def first_admin_key(partner: str) -> str | None:
    """Return the first administrator's key of a programme; None if there ever was one."""
    async with local_resources() as resources, resources.sessions() as session, session.begin():
        return await make_first_key(
            session, partner, app_source=resources.settings.app_source, now=resources.clock()
        )


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

    async def work() -> tuple[str, Proposal | None]:
        key = make_key(is_test=test)
        async with local_resources() as resources, resources.sessions() as session, session.begin():
            now = resources.clock()
            app_source = resources.settings.app_source
            if await store.find_partner(session, partner) is None:
                check_id(partner, app_source)
            await add_partner(session, partner, name=partner, now=now)
            await put_sources(session, partner, sources, app_source=app_source, now=now)
            made = UnstoredKey(
                key=key,
                partner=partner,
                scopes=scopes,
                expires_at=None if days is None else now + timedelta(days=days),
                made_by=None,
            )
            if "admin" in scopes:
                proposal = await make_or_propose(resources, session, ADMIN_KEY, key_body(**made))
                return key.text, proposal
            await put_key(session, **made, now=now)
        return key.text, None

    text, proposal = run(work())
    typer.echo(text)
    err.print("Keep it now: only its hash is stored.", style="yellow")
    if proposal is not None:
        say_proposed(proposal)


@keys_app.command("list")
def keys_list() -> None:
    """Show the keys there are, without their secrets."""

    async def work() -> Table:
        table = Table("prefix", "partner", "scopes", "created", "expires", "revoked")
        async with local_resources() as resources, resources.sessions() as session:
            for key in await store.list_keys(session):
                table.add_row(
                    key.prefix,
                    key.partner,
                    " ".join(key.scopes),
                    f"{key.created_at:%Y-%m-%d %H:%M}",
                    f"{key.ends_at:%Y-%m-%d}" if key.ends_at else "-",
                    f"{key.revoked_at:%Y-%m-%d %H:%M}" if key.revoked_at else "-",
                )
        return table

    out.print(run(work()))


@keys_app.command("revoke")
def keys_revoke(prefix: Annotated[str, typer.Argument(help="The key's prefix.")]) -> None:
    """Revoke a key; API processes notice within SAXAUL_KEY_CACHE_SECONDS."""

    async def work() -> list[str]:
        async with local_resources() as resources, resources.sessions() as session, session.begin():
            return await revoke_lineage(session, prefix, now=resources.clock())

    revoked = run(work())
    if not revoked:
        raise fail(f"there is no key {prefix!r} that is not revoked yet; see `saxaul keys list`.")
    out.print(f"Revoked: {', '.join(revoked)}.", highlight=False)
    if revoked != [prefix]:
        out.print(
            "They came of it: its successors by rotation, and the keys that it made.",
            highlight=False,
        )
    out.print(
        "Connectors and endpoints made with them stop until another key confirms them: "
        "`saxaul partner confirm`."
    )

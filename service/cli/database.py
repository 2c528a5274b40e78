"""Commands that bring the database up to date."""

import asyncio
from typing import Annotated

import typer

from service.cli.access import first_admin_key
from service.demo import put_demo
from service.local import local_settings, run
from service.migrate import migrate_database
from service.partners.person_key import hasher_of
from service.resources import SettingMissing, open_resources
from service.roles import make_roles
from service.settings import Settings
from service.terminal import err, fail, out


def migrate() -> None:
    """Bring the database's schema up to date. Safe to run twice, and from two places at once."""
    try:
        version = migrate_database(local_settings())
    except SettingMissing as error:
        raise fail(error) from error
    out.print(f"The database is at revision {version}.")


def setup(
    partner: Annotated[
        str, typer.Option(help="The partner that the first administrator's key is of.")
    ] = "operations",
) -> None:
    """Make roles, database and tables, and the first administrator's key, which is shown once.

    Safe to run twice: what is there stays. Needs the URLs of superuser, owner and application.
    """
    settings = Settings()
    superuser, owner = settings.superuser_database_url, settings.owner_database_url
    if superuser is None or owner is None or settings.database_url is None:
        raise fail("set SAXAUL_SUPERUSER_DATABASE_URL, SAXAUL_OWNER_DATABASE_URL and DATABASE_URL.")
    run(make_roles(superuser, owner_url=owner, application_url=settings.database_url))
    migrate()
    key = run(first_admin_key(partner))
    if key is not None:
        typer.echo(f"the first administrator's key: {key}")
        err.print("Keep it now: only its hash is stored.", style="yellow")


def prepare() -> None:
    """Migrate, make the demo partner, people and projects, and write demo.json.

    One program does both for `saxaul up`: to start one costs more than what it then does.
    """
    migrate()
    asyncio.run(_put_demo(Settings()))


async def _put_demo(settings: Settings) -> None:
    async with open_resources(settings) as resources:
        file = await put_demo(resources, hasher_of(settings), settings.home)
    out.print(f"Demo data is described in {file}.")

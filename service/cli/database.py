"""Commands that bring the database up to date."""

import asyncio

from service.demo import put_demo
from service.local import local_settings
from service.migrate import migrate_database
from service.partners.person_key import hasher_of
from service.resources import SettingMissing, open_resources
from service.settings import Settings
from service.terminal import fail, out


def migrate() -> None:
    """Bring the database's schema up to date. Safe to run twice, and from two places at once."""
    try:
        version = migrate_database(local_settings())
    except SettingMissing as error:
        raise fail(error) from error
    out.print(f"The database is at revision {version}.")


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

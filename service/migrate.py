"""Use case: bring the database's schema up to date."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory

from service.resources import SANDBOX, database_url_of
from service.settings import Settings

SCRIPTS = Path(__file__).with_name("migrations")


def migrate_database(settings: Settings) -> str:
    """Apply what is missing, to the programme and to its sandbox; the revision afterwards.

    Two programs at once wait for each other.
    """
    config = config_of(settings)
    for schema in ("", SANDBOX):
        config.set_main_option("schema", schema)
        command.upgrade(config, "head")
    return str(ScriptDirectory.from_config(config).get_current_head())


def config_of(settings: Settings) -> Config:
    """Alembic's configuration without a file."""
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS))
    url = database_url_of(settings, driver="+asyncpg")
    config.set_main_option("url", url.replace("%", "%%"))
    return config

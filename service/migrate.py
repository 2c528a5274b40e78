"""Use case: bring the database's schema up to date, and the application's rights with it."""

from pathlib import Path
from urllib.parse import unquote, urlsplit

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory

from service.resources import SANDBOX, database_url_of
from service.settings import Settings

SCRIPTS = Path(__file__).with_name("migrations")


def migrate_database(settings: Settings) -> str:
    """Apply what is missing, to the programme and its sandbox; return the revision.

    Two programs at once wait for each other.
    """
    config = config_of(settings)
    for schema in ("", SANDBOX):
        config.set_main_option("schema", schema)
        command.upgrade(config, "head")
    return str(ScriptDirectory.from_config(config).get_current_head())


def config_of(settings: Settings) -> Config:
    """Alembic's configuration without a file.

    With an owner's URL, the owner migrates and the role of DATABASE_URL is given its rights.
    """
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS))
    owner, role = settings, None
    if settings.owner_database_url is not None:
        owner = settings.model_copy(update={"database_url": settings.owner_database_url})
        role = _role_of(settings)
        if role == _role_of(owner):
            role = None
    url = database_url_of(owner, driver="+asyncpg")
    config.set_main_option("url", url.replace("%", "%%"))
    if role:
        config.set_main_option("application_role", role.replace("%", "%%"))
    return config


def _role_of(settings: Settings) -> str | None:
    name = urlsplit(database_url_of(settings)).username
    return None if name is None else unquote(name)

"""Use case: make the database and its two roles: who owns the tables, who API and worker are."""

from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

import asyncpg

from service.resources import SettingMissing

PLAIN = "LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS"


@dataclass(frozen=True, slots=True)
class Login:
    """The role, password and database of a URL."""

    role: str
    password: str
    database: str


async def make_roles(superuser_url: str, *, owner_url: str, application_url: str) -> None:
    """Make the roles of two URLs, give them their passwords, and make the owner's database.

    Idempotent. Neither role can then do more than its part, but an owner that is the superuser
    itself stays one. Raises SettingMissing for URLs that do not name two roles of one database.
    """
    owner, application = login_of(owner_url), login_of(application_url)
    if owner.role == application.role or owner.database != application.database:
        raise SettingMissing(
            "DATABASE_URL and SAXAUL_OWNER_DATABASE_URL must name two roles and one database: what "
            "API and worker are must not own the tables."
        )
    connection = await asyncpg.connect(superuser_url)
    try:
        superuser = await connection.fetchval("SELECT current_user")
        if application.role == superuser:
            raise SettingMissing("DATABASE_URL must not name the database's superuser.")
        for login in (owner, application):
            if login.role != superuser:
                await _make_role(connection, login)
        known = "SELECT 1 FROM pg_database WHERE datname = $1"
        if await connection.fetchval(known, owner.database) is None:
            await connection.execute(
                f"CREATE DATABASE {_name(owner.database)} OWNER {_name(owner.role)}"
            )
    finally:
        await connection.close()


async def _make_role(connection: "asyncpg.Connection[asyncpg.Record]", login: Login) -> None:
    if not await connection.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", login.role):
        await connection.execute(f"CREATE ROLE {_name(login.role)}")
    # By the server itself, which quotes it: a statement takes no parameters here.
    password = await connection.fetchval("SELECT quote_literal($1)", login.password)
    await connection.execute(f"ALTER ROLE {_name(login.role)} {PLAIN} PASSWORD {password}")


def login_of(url: str) -> Login:
    """Return who a URL logs in as. Raises SettingMissing if it does not say all of it."""
    parts = urlsplit(url)
    database = unquote(parts.path.removeprefix("/"))
    if not parts.username or not parts.password or not database:
        raise SettingMissing("A URL for `saxaul setup` must say role, password and database.")
    return Login(unquote(parts.username), unquote(parts.password), database)


def _name(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'

"""The migrations make what the tables say, once, whoever runs them and however often."""

import asyncio
import subprocess
import sys

import asyncpg
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from builders import database_named, execute, settings_of, unique
from sqlalchemy import TEXT, Connection
from sqlalchemy.ext.asyncio import create_async_engine
from sqlmodel import SQLModel
from sqlmodel.sql.sqltypes import AutoString

from service.embedded.servers import Servers
from service.migrate import migrate_database
from service.settings import Settings


async def empty_database(servers: Servers) -> str:
    name = unique("migrated").replace("-", "_")
    await execute(servers.database_url, f"CREATE DATABASE {name}")
    return database_named(servers.database_url, name)


async def tables_of(url: str) -> list[str]:
    connection = await asyncpg.connect(url)
    rows = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    await connection.close()
    return sorted(row[0] for row in rows)


async def test_a_fresh_database_is_what_the_tables_say(settings: Settings) -> None:
    def compared(connection: Connection) -> list[object]:
        options = {"compare_type": differs, "include_object": is_ours}
        context = MigrationContext.configure(connection, opts=options)
        return compare_metadata(context, SQLModel.metadata)

    def differs(_: object, __: object, ___: object, found: object, said: object) -> bool | None:
        is_text = isinstance(found, TEXT) and isinstance(said, AutoString)
        return False if is_text else None  # None: compare as usual

    def is_ours(_: object, name: str, kind: str, reflected: bool, other: object) -> bool:
        return not (kind == "table" and reflected and name.startswith("action_"))  # partitions

    engine = create_async_engine(settings.database_url.replace("://", "+asyncpg://"))
    async with engine.connect() as connection:
        found = await connection.run_sync(compared)
    await engine.dispose()

    assert found == []


async def test_migrating_twice_changes_nothing(servers: Servers, home) -> None:
    url = await empty_database(servers)
    settings = settings_of(home, database_url=url)

    first = await asyncio.to_thread(migrate_database, settings)
    tables = await tables_of(url)
    second = await asyncio.to_thread(migrate_database, settings)

    assert first == second
    assert await tables_of(url) == tables
    assert "action" in tables


async def test_two_at_once_wait_for_each_other(servers: Servers) -> None:
    url = await empty_database(servers)
    command = [sys.executable, "-m", "service.cli", "migrate"]
    environment = {"DATABASE_URL": url, "PATH": "/usr/bin:/bin", "NO_COLOR": "1"}

    def migrate() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=60, check=False
        )

    programs = await asyncio.gather(*(asyncio.to_thread(migrate) for _ in range(2)))

    assert [program.returncode for program in programs] == [0, 0], programs
    assert all("revision" in program.stdout for program in programs)

"""Alembic's entry: one transaction, one connection, URL from the settings."""

import asyncio

from alembic import context
from sqlalchemy import Connection, pool
from sqlalchemy.ext.asyncio import create_async_engine
from sqlmodel import SQLModel

from service.audit import tables as _audit  # noqa: F401  (tables register themselves)
from service.customers import tables as _customers  # noqa: F401  (tables register themselves)
from service.forest import tables as _forest  # noqa: F401  (tables register themselves)
from service.friends import tables as _friends  # noqa: F401  (tables register themselves)
from service.guards import tables as _guards  # noqa: F401
from service.http import tables as _http  # noqa: F401
from service.intake import tables as _intake  # noqa: F401
from service.journal import tables as _journal  # noqa: F401
from service.migrations.privileges import grants_to
from service.partners import tables as _partners  # noqa: F401
from service.points import tables as _points  # noqa: F401
from service.resources import SANDBOX, database_url_of
from service.restate import tables as _restate  # noqa: F401
from service.rights import tables as _rights  # noqa: F401  (tables register themselves)
from service.settings import Settings
from service.totals import tables as _totals  # noqa: F401
from service.webhooks.inbound import tables as _inbound  # noqa: F401
from service.webhooks.outbound import tables as _outbound  # noqa: F401

MIGRATION_LOCK = 0x5A78_0003  # two programs that migrate at once wait for each other


def _migrate(connection: Connection) -> None:
    context.configure(connection=connection, target_metadata=SQLModel.metadata)
    with context.begin_transaction():
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({MIGRATION_LOCK})")
        connection.exec_driver_sql(f"CREATE SCHEMA IF NOT EXISTS {SANDBOX}")
        context.run_migrations()
        if role := context.config.get_main_option("application_role"):
            schema = connection.exec_driver_sql("SELECT current_schema()").scalar_one()
            for statement in grants_to(role, schema):
                connection.exec_driver_sql(statement)


async def _run() -> None:
    url = context.config.get_main_option("url") or database_url_of(Settings(), driver="+asyncpg")
    schema = context.config.get_main_option("schema")
    connect_args = {"server_settings": {"search_path": schema}} if schema else {}
    engine = create_async_engine(
        url, poolclass=pool.NullPool, connect_args=connect_args, hide_parameters=True
    )
    async with engine.connect() as connection:
        await connection.run_sync(_migrate)
        await connection.commit()
    await engine.dispose()


asyncio.run(_run())

"""The limit that PostgreSQL sets: COPY of the same rows; and what the server says about itself."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

SCHEMA = "saxaul_bench"
COPIED = "action_copy"
DURABILITY = ("fsync", "synchronous_commit", "full_page_writes", "wal_sync_method")
ROW_LIMIT_S = 60.0

_Connection = asyncpg.Connection  # the driver's class is generic for the type checker only


@asynccontextmanager
async def bench_schema(database_url: str) -> AsyncIterator[None]:
    """This makes an empty schema beside the service's tables for the time of the block."""
    connection = await asyncpg.connect(database_url)
    try:
        await connection.execute(f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE")
        await connection.execute(f"CREATE SCHEMA {SCHEMA}")
        await connection.execute(
            f"CREATE TABLE {SCHEMA}.{COPIED} (LIKE public.action INCLUDING ALL)"
        )
        yield
    finally:
        await connection.execute(f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE")
        await connection.close()


async def described(database_url: str) -> dict[str, str]:
    """The server's version and durability settings, as the server shows them."""
    connection = await asyncpg.connect(database_url)
    try:
        found = {"version": str(await connection.fetchval("SHOW server_version"))}
        for name in DURABILITY:
            found[name] = str(await connection.fetchval(f"SHOW {name}"))
        return found
    finally:
        await connection.close()


async def copy_rate(database_url: str, *, rows: int, batch_rows: int) -> float:
    """The rows a second of a COPY of the service's newest actions into a table with the same key.

    `batch_rows` rows are one COPY and one commit. Reading them is not measured.
    """
    connection = await asyncpg.connect(database_url)
    try:
        await connection.execute(f"TRUNCATE {SCHEMA}.{COPIED}")
        found = await connection.fetch(
            "SELECT * FROM public.action ORDER BY recorded_at DESC LIMIT $1", rows
        )
        if not found:
            return 0.0
        columns = list(found[0].keys())
        # By batch and person, as the service writes them.
        records = [tuple(row) for row in reversed(found)]
        started = time.perf_counter()
        for at in range(0, len(records), batch_rows):
            await connection.copy_records_to_table(
                COPIED,
                schema_name=SCHEMA,
                records=records[at : at + batch_rows],
                columns=columns,
                timeout=ROW_LIMIT_S,
            )
        return len(records) / (time.perf_counter() - started)
    finally:
        await connection.close()

"""How many bytes an event leaves behind: in PostgreSQL by table, in its log, and in Valkey."""

import asyncpg
from redis.asyncio import Redis

from loadtest.bench.measure import Bench

BATCH_EVENTS = 500

# Partitions count for the table that they belong to; indexes and TOAST are in the sizes.
SIZES = """
    SELECT coalesce(parent.relname, table_.relname) AS name,
           sum(pg_total_relation_size(table_.oid))::bigint AS bytes
    FROM pg_class AS table_
    JOIN pg_namespace AS schema ON schema.oid = table_.relnamespace AND schema.nspname = 'public'
    LEFT JOIN pg_inherits AS inherits ON inherits.inhrelid = table_.oid
    LEFT JOIN pg_class AS parent ON parent.oid = inherits.inhparent
    WHERE table_.relkind IN ('r', 'p')
    GROUP BY 1
"""


async def sizes(bench: Bench) -> None:
    """This sends the batches of one measurement, and notes the bytes an event in each store."""
    if bench.system.database_url is None or bench.system.redis_url is None:
        bench.notes.append("no sizes: the servers' URLs are not known")
        return
    connection = await asyncpg.connect(bench.system.database_url)
    try:
        async with Redis.from_url(bench.system.redis_url) as valkey:
            before, log_before = await _stored(connection)
            memory_before = int((await valkey.info("memory"))["used_memory"])
            _, events = await bench.send_batches(bench.batches(BATCH_EVENTS), BATCH_EVENTS)
            after, log_after = await _stored(connection)
            memory = int((await valkey.info("memory"))["used_memory"]) - memory_before
    finally:
        await connection.close()
    grown = {name: after[name] - before.get(name, 0) for name in after}
    for name, size in sorted(grown.items(), key=lambda pair: -pair[1]):
        if size > events:  # less than a byte an event is not worth a line
            bench.figures[f"bytes in {name}"].append(size / events)
    bench.figures["bytes stored"].append(sum(grown.values()) / events)
    bench.figures["bytes of log"].append((log_after - log_before) / events)
    bench.figures["Valkey grew"].append(memory)


async def _stored(connection: asyncpg.Connection) -> tuple[dict[str, int], int]:
    rows = await connection.fetch(SIZES)
    log = await connection.fetchval("SELECT pg_current_wal_lsn() - '0/0'::pg_lsn")
    return {row["name"]: int(row["bytes"]) for row in rows}, int(log)

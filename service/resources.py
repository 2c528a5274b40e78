"""What a program holds open while it runs: database, Valkey, clock. Opened once, in `app.py`."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import asyncpg
from redis.asyncio import Redis
from sqlalchemy import AdaptedConnection, event
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.ext.asyncio import (
    AsyncEngine,
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)

from service.clock import CLOCK_FILE, Clock, MovedClock, system_clock
from service.settings import Settings

SESSION_POOL = 10  # connections for reads and single use cases
SANDBOX = "sandbox"  # the schema of what test keys record: same tables, never the same rows
SANDBOX_POOL = 3
SANDBOX_IDLE_S = 60.0
LANE_POOL_SPARE = 4  # more than lanes: months are opened, and messages claimed, settled, refused

# The intake's statements look up a known list of keys; a nested loop over the primary key is
# always right for them, and a plan made for an empty table must not turn it into a scan.
LANE_PLANNER = {
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "enable_seqscan": "off",
    "jit": "off",
    "plan_cache_mode": "force_generic_plan",
    "application_name": "saxaul-lane",
}


class SettingMissing(ValueError):
    """A program cannot start without this setting; the message says how to set it."""


@dataclass(frozen=True, slots=True)
class Resources:
    """Open connections; `pool` speaks to the driver itself, for what is done by the batch:
    the intake's lanes, and webhooks both ways."""

    settings: Settings
    clock: Clock
    engine: AsyncEngine
    sessions: async_sessionmaker[AsyncSession]
    statements: async_sessionmaker[AsyncSession]  # each statement is a transaction of its own
    pool: asyncpg.Pool
    valkey: Redis


def database_url_of(settings: Settings, *, driver: str = "") -> str:
    """Return the database's URL, with `+driver` for SQLAlchemy or without for the driver itself.

    Raises SettingMissing when none is set.
    """
    if settings.database_url is None:
        raise SettingMissing(
            "DATABASE_URL is not set. `saxaul up` runs an embedded PostgreSQL; any other program "
            "needs DATABASE_URL=postgresql://user:password@host:port/name"
        )
    _, _, rest = settings.database_url.partition("://")
    return f"postgresql{driver}://{rest}"


def clock_of(settings: Settings) -> Clock:
    """Return the machine's clock, or the demo's that `saxaul clock` moves.

    Raises SettingMissing for a virtual clock with a database other than the embedded one.
    """
    if not settings.virtual_clock:
        return system_clock
    file = settings.home / CLOCK_FILE
    noted = json.loads(file.read_bytes()) if file.exists() else {}
    if settings.database_url is None or noted.get("database_url") != settings.database_url:
        raise SettingMissing(
            "SAXAUL_VIRTUAL_CLOCK is for the demo of `saxaul up --clock` and its own database: "
            "people's real facts are never dated by a clock that can be moved. Unset it."
        )
    return MovedClock(file)


def redis_url_of(settings: Settings) -> str:
    """Return the URL of Valkey. Raises SettingMissing when none is set."""
    if settings.redis_url is None:
        raise SettingMissing(
            "REDIS_URL is not set. `saxaul up` runs an embedded Valkey; any other program needs "
            "REDIS_URL=redis://host:port/0"
        )
    return settings.redis_url


def open_valkey(settings: Settings) -> Redis:
    """Return a client that answers text and gives up on a silent server after two seconds."""
    client: Redis = Redis.from_url(
        redis_url_of(settings),
        decode_responses=True,
        socket_timeout=2,
        socket_connect_timeout=2,
        health_check_interval=0,
    )
    return client


def _refuse_closed(connection: AdaptedConnection, _record: object, _proxy: object) -> None:
    """Do not hand out a connection that the server has closed; the pool opens another one.

    The driver knows from the socket. To ask the server, as a "ping" does, is three round trips for
    each request: a transaction's begin and end, and the question.
    """
    if connection.driver_connection is None or connection.driver_connection.is_closed():
        raise DisconnectionError("the server has closed this connection")


async def _keep(_: object) -> None:
    """Skip the reset of a connection that a lane gives back: its transaction has ended."""


@asynccontextmanager
async def open_resources(
    settings: Settings, clock: Clock = system_clock, *, schema: str | None = None
) -> AsyncIterator[Resources]:
    """Open everything; a database that is away at the start is an error at the first use.

    `schema` names the only schema that these connections see; None is the database's own choice.
    """
    search_path = {} if schema is None else {"search_path": schema}
    engine = create_async_engine(
        database_url_of(settings, driver="+asyncpg"),
        pool_size=SESSION_POOL if schema is None else SANDBOX_POOL,
        max_overflow=0,
        pool_timeout=5,
        hide_parameters=True,  # else they stand in the text of an error, and in the log
        connect_args={
            "server_settings": {"jit": "off", "application_name": "saxaul", **search_path}
        },
    )
    event.listen(engine.sync_engine, "checkout", _refuse_closed)
    pool = await asyncpg.create_pool(
        database_url_of(settings),
        min_size=0,
        max_size=settings.lanes + LANE_POOL_SPARE,
        server_settings={**LANE_PLANNER, **search_path},
        command_timeout=30,
        max_inactive_connection_lifetime=0 if schema is None else SANDBOX_IDLE_S,
        reset=_keep,
    )
    valkey = open_valkey(settings)
    try:
        yield Resources(
            settings=settings,
            clock=clock,
            engine=engine,
            sessions=async_sessionmaker(engine, class_=AsyncSession, expire_on_commit=False),
            statements=async_sessionmaker(
                engine.execution_options(isolation_level="AUTOCOMMIT"), class_=AsyncSession
            ),
            pool=pool,
            valkey=valkey,
        )
    finally:
        await valkey.aclose()
        await pool.close()
        await engine.dispose()

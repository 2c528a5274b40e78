"""Real servers, one migrated database, one running application, and clients of each kind.

Events are committed for good, so tests keep apart by fresh people, ids and partners (`builders`),
not by rolling back. A test that looks at everybody's totals, or breaks something, takes `settings`
of its own from `new_settings`.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle
from pathlib import Path

import httpx
import pytest
from builders import (
    SOURCES,
    USUAL,
    NewSettings,
    SteppedClock,
    a_partner,
    a_token,
    client_of,
    database_named,
    execute,
    settings_of,
)
from builders import running_app as run_app
from fastapi import FastAPI
from redis.asyncio import Redis

from service.embedded.servers import Servers, embedded_servers
from service.migrate import migrate_database
from service.partners.issuer import make_issuer
from service.settings import Settings

TEMPLATE = "saxaul_template"


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data folder of the session: servers, and the issuer of people's tokens."""
    folder = tmp_path_factory.mktemp("home")
    make_issuer(folder)
    return folder


@pytest.fixture(scope="session")
def servers(home: Path) -> Iterator[Servers]:
    """PostgreSQL and Valkey; in PostgreSQL a migrated database that others are copied from."""
    with embedded_servers(home) as running, ThreadPoolExecutor(1) as thread:
        create = execute(running.database_url, f"CREATE DATABASE {TEMPLATE}")
        thread.submit(asyncio.run, create).result()
        template = Settings(database_url=database_named(running.database_url, TEMPLATE))
        thread.submit(migrate_database, template).result()
        yield running


@pytest.fixture(scope="session")
async def new_settings(servers: Servers, home: Path) -> NewSettings:
    """Makes settings with an empty migrated database and an empty Valkey database of their own."""
    numbers = cycle(range(1, 16))
    count = 0

    async def make(**changes: object) -> Settings:
        nonlocal count
        count += 1
        name = f"saxaul_{count}"
        url = database_named(servers.database_url, name)
        await execute(servers.database_url, f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}")
        redis_url = database_named(servers.redis_url, str(next(numbers)))
        async with Redis.from_url(redis_url) as valkey:
            await valkey.flushdb()
        return settings_of(home, database_url=url, redis_url=redis_url, **changes)

    return make


@pytest.fixture(scope="session")
async def settings(new_settings: NewSettings) -> Settings:
    """The settings of the application that most tests share."""
    return await new_settings()


@pytest.fixture(scope="session")
def _shared_clock() -> SteppedClock:
    return SteppedClock()


@pytest.fixture
def clock(_shared_clock: SteppedClock) -> Iterator[SteppedClock]:
    """The shared application's clock; back at `builders.NOW` after the test."""
    before = _shared_clock.now
    yield _shared_clock
    _shared_clock.now = before


@pytest.fixture(scope="session")
async def app(settings: Settings, _shared_clock: SteppedClock) -> AsyncIterator[FastAPI]:
    """The application that most tests share."""
    async with run_app(settings, _shared_clock) as running:
        yield running


async def _key(app: FastAPI, name: str, *scopes: str, **sources: tuple[str, ...]) -> str:
    partner = await a_partner(app.state.resources.sessions, name=name, scopes=scopes, **sources)
    return partner.key


@pytest.fixture(scope="session")
async def partner(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """Speaks as `acme`, who reports under all of SOURCES and holds the usual scopes."""
    async with client_of(app, await _key(app, "acme", *USUAL, sources=SOURCES)) as client:
        yield client


@pytest.fixture(scope="session")
async def backfill(app: FastAPI, partner: httpx.AsyncClient) -> AsyncIterator[httpx.AsyncClient]:
    """Speaks as `acme` with a key that may also send events of any day of the programme."""
    async with client_of(app, await _key(app, "acme", *USUAL, "events:backfill")) as client:
        yield client


@pytest.fixture(scope="session")
async def admin(app: FastAPI, partner: httpx.AsyncClient) -> AsyncIterator[httpx.AsyncClient]:
    """Speaks as `acme` with the scope `admin`."""
    async with client_of(app, await _key(app, "acme", "admin")) as client:
        yield client


@pytest.fixture(scope="session")
async def rival(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """Speaks as another partner, who reports as `rival-metro` and `rival-bus`."""
    sources = ("rival-metro", "rival-bus")
    async with client_of(app, await _key(app, "rival", *USUAL, sources=sources)) as client:
        yield client


@pytest.fixture(scope="session")
async def public(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """Speaks without any credentials."""
    async with client_of(app) as client:
        yield client


@pytest.fixture(scope="session")
def person(app: FastAPI, home: Path) -> Callable[[str], httpx.AsyncClient]:
    """Makes a client that speaks as a person, with a token of the embedded issuer."""
    return lambda subject: client_of(app, a_token(home, subject))

"""Real servers, one migrated database, one running application, and clients of each kind.

Events are committed for good, so tests keep apart by fresh people, ids and partners (`builders`),
not by rolling back. A test that looks at everybody's totals, or breaks something, takes `settings`
of its own from `new_settings`.
"""

import gc
import os
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from itertools import cycle
from pathlib import Path

gc.disable()  # until all is imported and collected: a third of the time was looking for garbage

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
from not_durable import not_durable
from order import (  # noqa: F401  (pytest calls these)
    pytest_collection_modifyitems,
    pytest_xdist_make_scheduler,
)
from prepared import TEMPLATE, prepare_home
from redis.asyncio import Redis
from remembered import remember
from soak import load_profile

from service.embedded.servers import Servers, embedded_servers
from service.partners.issuer import make_issuer
from service.settings import Settings

load_profile()
remember()
COLLECT_AFTER = 50_000  # new containers between two looks at the young ones, as in the API
# The programs that tests start keep what they compile: else each compiles all of it again.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
# xdist hands its workers a width; a console that is made meanwhile would keep it for ever.
os.environ.pop("COLUMNS", None)
# A shell's background jobs ignore Ctrl-C and hand that on; the programs here are to obey it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_finish() -> None:
    """Look for garbage from here on, but never among the modules and the thousands of tests."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER, 20, 50)
    gc.enable()


@pytest.fixture(scope="session")
def cache(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, worker_id: str
) -> Path:
    """Where what is made once is kept: between runs, where pytest keeps anything."""
    if request.config.pluginmanager.has_plugin("cacheprovider"):
        return request.config.cache.mkdir("saxaul")
    base = tmp_path_factory.getbasetemp()
    shared = (base if worker_id == "master" else base.parent) / "cache"
    shared.mkdir(exist_ok=True)
    return shared


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data folder of the session: servers, and the issuer of people's tokens."""
    folder = tmp_path_factory.mktemp("home")
    make_issuer(folder)
    return folder


@pytest.fixture(scope="session")
def servers(home: Path, cache: Path) -> Iterator[Servers]:
    """PostgreSQL and Valkey; in PostgreSQL a migrated database that others are copied from."""
    prepare_home(home, cache)
    with ExitStack() as stack:
        with not_durable():  # for this server alone: tests start others, and ask of their settings
            running = stack.enter_context(embedded_servers(home))
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
    partner = await a_partner(
        app.state.runtime.resources.sessions, name=name, scopes=scopes, **sources
    )
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

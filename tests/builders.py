"""Sensible whole things for tests; every part can be overridden by keyword.

Nothing made here meets anything made before: ids, people and claims are fresh each time, so tests
may share one database in any order.
"""

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from functools import cache
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
from fastapi import FastAPI
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from methodologies.catalogue import Catalogue
from methodologies.plugins import load_all
from service.acting import Actor, acting
from service.app import create_app, fast_path_of
from service.clock import Clock, seconds, system_clock
from service.embedded.listener import listen, url_of
from service.http.connections import ConnectionLimits
from service.main import server_of
from service.partners import store
from service.partners.caller import PROGRAMME
from service.partners.issuer import mint_token
from service.partners.keys import make_key
from service.settings import Settings
from service.totals.apply import apply_days, apply_live
from service.totals.counters import Counters, CountersLost
from service.totals.rebuild import rebuild_live

NOW = datetime(2026, 6, 15, 4, 0, tzinfo=UTC)  # noon in China, on a Monday
ISSUER = "https://issuer.test"
AUDIENCE = "saxaul"
PERSON_KEY = "5a" * 32
SECRET_KEY = "7c" * 32
SOURCES = ("metro", "bus", "bike", "eats", "mall", "parcel")
NewSettings = Callable[..., Awaitable[Settings]]
USUAL = ("events:write", "actions:read", "people:act")
PATIENCE_S = 120.0  # what takes longer hangs; nothing is decided by being quicker
LEAVE_OUT: Any = object()  # as a value of `data`: the field is not sent

SINGLE = {"Content-Type": "application/cloudevents+json"}
BATCH = {"Content-Type": "application/cloudevents-batch+json"}


class SteppedClock:
    """A clock that stands still until a test moves it."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **by: float) -> None:
        """Move the clock ahead by the keywords of `timedelta`: `advance(hours=20)`."""
        self.now += timedelta(**by)


def unique(what: str) -> str:
    """Return a name that nobody has yet."""
    return f"{what}-{uuid4().hex[:12]}"


def in_china(at: datetime) -> str:
    """The time as an app in China sends it."""
    return at.astimezone(timezone(timedelta(hours=8))).isoformat()


def an_event(data: Mapping[str, object] | None = None, **changes: object) -> dict[str, Any]:
    """Return a metro ride of 12.4 km in China this morning: 892,800 mg gross, 794,592 mg, 794
    points.

    `data` is laid over the usual data; LEAVE_OUT as a value drops an attribute or a field.
    """
    usual = {"region": "CN", "distance_km": "12.4", "trip_id": unique("trip")}
    return _event("metro", "transit.metro", usual, data, changes)


a_ride = an_event


def a_bus_ride(data: Mapping[str, object] | None = None, **changes: object) -> dict[str, Any]:
    """Return a bus ride of 6 km in China: 255,840 mg, 255 points."""
    usual = {"region": "CN", "distance_km": "6", "trip_id": unique("trip")}
    return _event("bus", "transit.bus", usual, data, changes)


def a_bike_ride(data: Mapping[str, object] | None = None, **changes: object) -> dict[str, Any]:
    """3.2 km on a shared bicycle in China: 138,697 mg, 138 points."""
    usual = {"region": "CN", "distance_km": "3.2", "trip_id": unique("trip")}
    return _event("bike", "cycle.bike", usual, data, changes)


def an_order(data: Mapping[str, object] | None = None, **changes: object) -> dict[str, Any]:
    """Return an order without cutlery, one set: 12,521 mg, 12 points."""
    usual = {"region": "CN", "sets": 1, "order_id": unique("order")}
    return _event("eats", "food.no_cutlery", usual, data, changes)


def an_invoice(data: Mapping[str, object] | None = None, **changes: object) -> dict[str, Any]:
    """Return an electronic invoice: 0 mg and 5 flat points today, 3,540 mg before 2024-12-01."""
    usual = {"region": "CN", "invoices": 1, "invoice_id": unique("invoice")}
    return _event("mall", "paper.einvoice", usual, data, changes)


def a_box(data: Mapping[str, object] | None = None, **changes: object) -> dict[str, Any]:
    """Return a box left for reuse: 30,340 mg, 30 points."""
    usual = {"region": "CN", "boxes": 1, "dropoff_id": unique("dropoff")}
    return _event("parcel", "pack.box_reuse", usual, data, changes)


def _event(
    source: str,
    activity: str,
    usual: dict[str, Any],
    data: Mapping[str, object] | None,
    changes: Mapping[str, object],
) -> dict[str, Any]:
    event = {
        "specversion": "1.0",
        "id": unique("event"),
        "source": source,
        "type": activity,
        "subject": unique("person"),
        "time": "2026-06-15T08:30:00+08:00",
        "data": _without_left_out({**usual, **(data or {})}),
        **changes,
    }
    return _without_left_out(event)


def _without_left_out(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not LEAVE_OUT}


@dataclass(frozen=True, slots=True)
class APartner:
    """A registered partner, and one key of it."""

    name: str
    sources: tuple[str, ...]
    key: str

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}"}


@asynccontextmanager
async def as_operator(sessions: async_sessionmaker[AsyncSession]) -> AsyncIterator[AsyncSession]:
    """Yield a transaction in which an operator at the command line acts."""
    with acting(Actor("operator", "tests")):
        async with sessions() as session, session.begin():
            yield session


async def a_partner(
    sessions: async_sessionmaker[AsyncSession],
    *,
    name: str | None = None,
    sources: tuple[str, ...] = (),
    scopes: tuple[str, ...] = USUAL,
    expires_at: datetime | None = None,
    people: str = PROGRAMME,
) -> APartner:
    """Register a partner with its sources, as far as it is not there, and make it a key.

    It is an app operator, who names people of the programme, unless `people` is OWN.
    """
    name = name or unique("partner")
    key = make_key()
    async with sessions() as session, session.begin():
        await store.put_partner(session, name, name, NOW, people=people)
        if sources:
            await store.put_sources(session, name, sources)
        await store.put_key(
            session, key, partner=name, scopes=scopes, now=NOW, expires_at=expires_at
        )
    return APartner(name, sources, key.text)


def a_token(home: Path, subject: str, *, hours: float = 1, clock: Clock = system_clock) -> str:
    """Return a person's token of the embedded issuer in `home`; its times are the machine's."""
    return mint_token(
        home,
        subject=subject,
        issuer=ISSUER,
        audience=AUDIENCE,
        lifetime=timedelta(hours=hours),
        clock=clock,
    )


def settings_of(home: Path, **changes: object) -> Settings:
    """Settings of a quiet application that keeps nothing in its memory."""
    usual = {
        "home": home,
        "person_key": PERSON_KEY,
        "secret_key": SECRET_KEY,
        "public_url": "http://saxaul.test",
        "oidc_issuer": ISSUER,
        "oidc_audience": AUDIENCE,
        "oidc_jwks_url": f"file://{home}/issuer/jwks.json",
        "key_cache_seconds": 0,
        "totals_cache_seconds": 0,
        "log_level": "warning",
        "two_persons": False,
    }
    return Settings.model_validate({**usual, **changes})


def database_named(url: str, name: str) -> str:
    """Return the URL of another database of the same server."""
    return f"{url.rpartition('/')[0]}/{name}"


async def execute(url: str, sql: str) -> None:
    """Run one statement on a connection of its own."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(sql)
    finally:
        await connection.close()


@asynccontextmanager
async def running_app(settings: Settings, clock: Clock) -> AsyncIterator[FastAPI]:
    """Yield the application with its resources open and its lanes running."""
    packaged = None if settings.methodology_path else packaged_catalogue(clock().date())
    app = create_app(settings, clock, packaged)
    async with app.router.lifespan_context(app):
        yield app


@cache
def packaged_catalogue(today: date) -> Catalogue:
    """Return the packaged methodologies: over a hundred applications of a run need not each read
    them again."""
    return load_all("", today)


class Running:
    """The API on a socket, in a thread with its own loop, as `run` starts it."""

    def __init__(
        self,
        settings: Settings,
        limits: ConnectionLimits = ConnectionLimits(),  # noqa: B008  frozen
        clock: Callable[[], float] = seconds,
    ) -> None:
        self.socket = listen("127.0.0.1", 0)
        self.url = url_of(self.socket)
        app = create_app(settings, SteppedClock())
        self.server = server_of(settings, app, limits, clock, slow_seconds=60)
        self.thread = threading.Thread(
            target=lambda: asyncio.run(self.server.serve(sockets=[self.socket]))
        )
        self.thread.start()

    async def stop(self) -> None:
        self.server.handle_exit(15, None)
        await asyncio.to_thread(self.thread.join, 15)
        self.socket.close()
        assert not self.thread.is_alive()


def client_of(app: FastAPI, credential: str | None = None) -> httpx.AsyncClient:
    """Return a client that speaks to the application in this process, as whoever has the
    credential.

    It comes in by the same fast path as in a server.
    """
    headers = {} if credential is None else {"Authorization": f"Bearer {credential}"}
    transport = httpx.ASGITransport(fast_path_of(app, slow_seconds=60))
    return httpx.AsyncClient(transport=transport, base_url="http://saxaul.test", headers=headers)


async def catch_up(app: FastAPI) -> None:
    """Apply the whole journal to both projections, as the worker does."""
    resources = app.state.runtime.resources
    counters = Counters(resources.valkey, resources.sessions)
    applied = 1
    while applied:
        async with resources.sessions() as session, session.begin():
            applied = await apply_days(session)
        try:
            applied += await apply_live(resources.sessions, counters, resources.clock)
        except CountersLost:
            await rebuild_live(resources.sessions, counters, resources.clock)
            applied += 1


async def report(client: httpx.AsyncClient, event: Mapping[str, object]) -> dict[str, Any]:
    """Report one event; its result. It must be taken, whatever its outcome."""
    answer = await client.post("/v1/events", json=event, headers=SINGLE)
    assert answer.status_code in (200, 201), answer.text
    return answer.json()


async def report_all(
    client: httpx.AsyncClient, events: Sequence[Mapping[str, object]]
) -> list[dict[str, Any]]:
    """Report a batch; the results in its order, problems included."""
    answer = await client.post("/v1/events", json=events, headers=BATCH)
    assert answer.status_code == 200, answer.text
    return answer.json()["results"]

"""Nothing that names a person lies around: every way in is walked with names that are searched for
afterwards in all tables, all keys of Valkey, the log, the traces, the metrics, the servers' logs.

Where a name may stand is declared, with its reason.
"""

import io
import json
import logging
import re
from collections.abc import AsyncIterator, Iterable, Iterator
from datetime import date
from hashlib import sha256
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
from builders import (
    NOW,
    SOURCES,
    USUAL,
    NewSettings,
    SteppedClock,
    a_partner,
    a_ride,
    a_token,
    an_event,
    as_operator,
    catch_up,
    execute,
    report,
    report_all,
    running_app,
    unique,
)
from fastapi import FastAPI
from redis.asyncio import Redis
from trace_collector import collecting
from webhook_receiver import delivering, receiving

from service.app import fast_path_of
from service.embedded.servers import Servers
from service.forest.catalogue import add_project, add_species
from service.forest.tables import Project, Species
from service.http.logs import open_log
from service.reconciliation.reconcile import reconcile
from service.settings import Settings
from service.totals.counters import Counters
from service.webhooks.signing import signed_headers
from workers.leaderboards import rank_regions

ALICE, BOB = "zq-alice-marker", "zq-bob-marker"
CUSTOMER = "zq-customer-marker"
NAME = "Zq Name Marker"
PHONE = "+8613900zq00001"
MARKERS = (ALICE, BOB, CUSTOMER, NAME, PHONE)
# Where a name may stand, and why.
DECLARED = {
    ("public.profile", NAME): "what a person chose to show others",
    ("public.pool_member", NAME): "what a person chose to show a pool",
    ("public.certificate", NAME): "what a person had written on a certificate",
    # Whoever repeats a write gets its answer, and an answer shows what its reader may see.
    ("public.stored_answer", NAME): "an answer that shows a name, kept for some days",
}
CONFIG = {
    "name": "Rides",
    "rules": [
        {
            "name": "ride",
            "items": "rides",
            "event": {
                "id": "item.id",
                "time": "item.at",
                "subject": "item.who",
                "type": "'transit.metro'",
                "data": {"distance_km": "item.km", "trip_id": "item.id", "region": "'CN'"},
            },
        }
    ],
}


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """What the programs write to their log, at every level that is ever used."""
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    root.handlers = []
    written = io.StringIO()
    open_log(Settings(log_format="json", log_level="debug"))
    logging.getLogger("httpx").setLevel(logging.WARNING)  # of the tests' own clients
    root.handlers[0].setStream(written)  # type: ignore[attr-defined]  # it is a stream handler
    yield written
    root.handlers = before
    root.setLevel(level)
    logging.getLogger("httpx").setLevel(logging.NOTSET)


class Speakers:
    """Clients of one application, behind the fast path that calls every request slow."""

    def __init__(self, app: FastAPI, home: Path) -> None:
        self._transport = httpx.ASGITransport(fast_path_of(app, slow_seconds=1e-9))
        self._home = home
        self.opened: list[httpx.AsyncClient] = []

    def client(self, credential: str | None) -> httpx.AsyncClient:
        headers = {} if credential is None else {"Authorization": f"Bearer {credential}"}
        made = httpx.AsyncClient(
            transport=self._transport, base_url="http://saxaul.test", headers=headers
        )
        self.opened.append(made)
        return made

    def person(self, subject: str) -> httpx.AsyncClient:
        return self.client(a_token(self._home, subject))


@pytest.fixture
async def traced(new_settings: NewSettings) -> AsyncIterator[tuple[Settings, list[Any]]]:
    with collecting() as (url, received):
        settings = await new_settings(
            otlp_traces_url=url, trace_ratio=1.0, webhook_loopback=True, log_level="debug"
        )
        yield settings, received


async def test_no_name_is_left_anywhere(
    traced: tuple[Settings, list[Any]],
    log: io.StringIO,
    servers: Servers,
    home: Path,
) -> None:
    settings, spans = traced
    server_logs = sizes_of(home)
    clock = SteppedClock()
    async with running_app(settings, clock) as app:
        speakers = Speakers(app, home)
        metrics = await everything(app, speakers, clock)
        await errors(settings, speakers)
        for one in speakers.opened:
            await one.aclose()
        valkey = await valkey_dump(settings)
    found = [*search("metrics", [metrics]), *search("log", log.getvalue().splitlines())]
    found += search("traces", map(str, spans))
    found += search("valkey", valkey)
    for table, rows in (await database_dump(settings)).items():
        found += search(table, rows)
    for path, size in server_logs.items():
        found += search(path.name, [path.read_bytes()[size:].decode(errors="replace")])

    assert spans, "the requests must be traced for this to mean anything"
    assert "(no route)" in log.getvalue()
    assert "/v1/people/{subject}/profile" in log.getvalue()
    assert any("sx:quota" in key for key in valkey)
    undeclared = [one for one in found if one not in DECLARED]
    assert undeclared == []
    assert {one[0] for one in DECLARED} <= {one[0] for one in found}, "an exception without a use"


def sizes_of(home: Path) -> dict[Path, int]:
    """The servers' own logs, and how long they are."""
    return {path: path.stat().st_size for path in home.rglob("*.log")}


async def everything(app: FastAPI, speakers: Speakers, clock: SteppedClock) -> str:
    """Every way in, by a partner and by people's own tokens; what the metrics say afterwards."""
    resources = app.state.runtime.resources
    made = await a_partner(
        resources.sessions,
        sources=SOURCES,
        scopes=(*USUAL, "webhooks:manage", "events:backfill", "admin"),
    )
    shop = speakers.client(made.key)
    alice, bob = speakers.person(ALICE), speakers.person(BOB)
    async with receiving() as receiver, delivering(app):
        endpoint = {"url": receiver.url, "types": ["action.credited", "order.placed"]}
        await must(shop.post("/v1/webhook-endpoints", json=endpoint))
        at = clock.now.isoformat()
        one = await report(shop, an_event(subject=ALICE, time=at))
        await report_all(shop, [a_ride(subject=BOB, time=at), a_ride(subject=CUSTOMER, time=at)])
        await report(alice, an_event(subject="me", source="app", time=at))
        await message(shop, clock)
        await must(shop.get(f"/v1/actions/{one['action_id']}/receipt"))
        clock.advance(hours=30)
        await friends(shop, alice, bob)
        await trees(app, shop, alice, bob)
        await must(
            shop.post(
                f"/v1/actions/{one['action_id']}/reversal",
                json={"reason": "refund"},
                headers=key(),
            )
        )
        await rank_regions({"resources": resources})
        await receiver.until(1)
    await catch_up(app)
    await wrong_requests(shop, alice)
    checks = await reconcile(resources.sessions, Counters(resources.valkey, resources.sessions))
    assert [check for check in checks if not check.holds] == []
    return (await must(speakers.client(None).get("/metrics"))).text


async def message(shop: httpx.AsyncClient, clock: SteppedClock) -> None:
    """A merchant's own message that is read, and one that waits in quarantine."""
    body = {"config": {**CONFIG, "source": SOURCES[0]}, "source": SOURCES[0], "template": None}
    connector = (await must(shop.post("/v1/connectors", json=body))).json()
    ride = {"id": unique("ride"), "at": clock.now.isoformat(), "who": CUSTOMER, "km": 3}
    for content in (
        {"rides": [ride], "phone": PHONE},
        {"rides": [{**ride, "id": unique("ride"), "at": PHONE}], "name": NAME},
    ):
        payload = json.dumps(content).encode()
        headers = signed_headers(
            [connector["secret"]], message_id=unique("m"), timestamp=clock.now, body=payload
        )
        request = shop.build_request("POST", connector["path"], content=payload, headers=headers)
        request.headers.pop("authorization", None)
        await shop.send(request)
    own = f"/v1/connectors/{connector['connector_id']}"
    assert len((await must(shop.get(f"{own}/quarantine"))).json()["data"]) == 1
    await must(shop.get(f"{own}/deliveries"))


async def friends(
    shop: httpx.AsyncClient, alice: httpx.AsyncClient, bob: httpx.AsyncClient
) -> None:
    for who in (alice, bob):
        profile = {"display_name": NAME, "region": "CN-ZJ"}
        await must(who.put("/v1/people/me/profile", json=profile, headers=key()))
        await must(who.post("/v1/people/me/collect", headers=key()))
    asked = await must(
        shop.post(f"/v1/people/{ALICE}/friends", json={"subject": BOB}, headers=key())
    )
    path = f"/v1/people/{BOB}/friends/{asked.json()['friendship_id']}"
    await must(shop.post(f"{path}/accept", json={}, headers=key()))
    await must(shop.post(f"{path}/water", json={"points": 10}, headers=key()))
    for what in ("friends", "entries", "actions", "statement", "earnings", "leaderboard"):
        await shop.get(f"/v1/people/{ALICE}/{what}")
    await must(alice.get("/v1/people/me"))


async def trees(
    app: FastAPI, shop: httpx.AsyncClient, alice: httpx.AsyncClient, bob: httpx.AsyncClient
) -> None:
    project = unique("grove")
    species = Species(
        species=project, scientific_name="Haloxylon ammodendron", local_name="梭梭",
        english_name="Saxaul", price_points=100, price_source="a published price",
    )  # fmt: skip
    grove = Project(
        project=project, name="Saxaul", species=project, place="Alxa League", region="CN-NM",
        planting_partner="Green hands", opens_on=NOW.date(), closes_on=date(2026, 12, 31),
        stock=10, price_points=100,
    )  # fmt: skip
    async with as_operator(app.state.runtime.resources.sessions) as session:
        await add_species(session, species, now=NOW)
        await add_project(session, grove, now=NOW)
    grant = {"points": 1_000, "reason": "a gift"}
    for who in (ALICE, BOB):
        await must(shop.post(f"/v1/people/{who}/grants", json=grant, headers=key()))
    order = {"project_id": project, "subject": ALICE, "display_name": NAME}
    placed = await must(shop.post("/v1/orders", json=order, headers=key()))
    for view in ("", ".html", ".pdf"):
        await alice.get(f"{placed.json()['certificate_url']}{view}")
    pool = {"project_id": project, "subject": ALICE, "name": "Ours", "display_name": NAME}
    made = (await must(shop.post("/v1/pools", json=pool, headers=key()))).json()
    joins = {"code": made["code"], "subject": BOB, "display_name": NAME}
    await must(shop.post("/v1/pools/join", json=joins, headers=key()))
    pours = {"subject": BOB, "points": 20}
    await must(shop.post(f"/v1/pools/{made['pool_id']}/contributions", json=pours, headers=key()))


async def wrong_requests(shop: httpx.AsyncClient, alice: httpx.AsyncClient) -> None:
    """What is refused: by its form, its content, its caller; each with names in it."""
    event = an_event(subject=ALICE)
    requests: list[tuple[str, str, Any]] = [
        ("POST", "/v1/events", {**event, "data": {"phone": PHONE, "name": NAME}}),
        ("POST", "/v1/events", {**event, "subject": [ALICE, NAME]}),
        ("POST", "/v1/events", {**event, "time": NAME}),
        ("POST", "/v1/events", {**event, "source": NAME}),
        ("POST", "/v1/orders", {"subject": ALICE, "project_id": NAME, "phone": PHONE}),
        ("PUT", f"/v1/people/{ALICE}/profile", {"display_name": NAME * 40, "phone": PHONE}),
        ("GET", f"/v1/people/{ALICE}/nothing/{PHONE}", None),
        ("GET", f"/nowhere/{ALICE}?who={PHONE}", None),
        ("GET", f"/v1/people/{ALICE}%00/entries?limit={PHONE}", None),
        ("POST", f"/v1/people/{ALICE}/collect", {"local_day": NAME}),
        ("POST", f"/v1/people/{ALICE}/friends", {"subject": ALICE}),
    ]
    for client in (shop, alice):
        for method, path, body in requests:
            answer = await client.request(method, path, json=body)
            assert answer.status_code >= 400, (method, path, answer.text)
    await shop.post("/v1/events", content=f'{{"subject": "{ALICE}"'.encode())


async def errors(settings: Settings, speakers: Speakers) -> None:
    """Faults of ours while names are at hand: what is logged of them names nobody."""
    clients = speakers.opened
    shop, alice = clients[0], clients[1]
    for table in ("profile", "claim", "account", "stored_answer"):
        await execute(settings.database_url, f"ALTER TABLE {table} RENAME TO away")
        answers = [
            await alice.put("/v1/people/me/profile", json={"display_name": NAME}, headers=key()),
            await shop.post(f"/v1/people/{BOB}/collect", headers=key()),
            await shop.post("/v1/events", json=an_event(subject=ALICE)),
        ]
        await execute(settings.database_url, f"ALTER TABLE away RENAME TO {table}")
        assert any(one.status_code >= 500 for one in answers), table


def key() -> dict[str, str]:
    return {"Idempotency-Key": unique("key")}


async def must(answer: Any) -> httpx.Response:
    got: httpx.Response = await answer
    assert got.is_success, (got.request.url, got.text)
    return got


def search(where: str, lines: Iterable[str]) -> list[tuple[str, str]]:
    """The markers in these lines, as they are, in hex, and as a hash that anybody could guess."""
    forms = {form: marker for marker in MARKERS for form in forms_of(marker)}
    pattern = re.compile("|".join(map(re.escape, forms)))
    return sorted({(where, forms[hit]) for line in lines for hit in pattern.findall(line)})


def forms_of(marker: str) -> Iterator[str]:
    yield marker
    yield marker.encode().hex()
    yield json.dumps(marker)[1:-1]
    yield marker.replace(" ", "%20").replace("+", "%2B")
    yield marker.replace(" ", "+")
    for before in ("", "person:", "customer:", "me"):
        yield sha256(f"{before}{marker}".encode()).hexdigest()


async def database_dump(settings: Settings) -> dict[str, list[str]]:
    """All rows of all tables of both environments, as text; bytes are in hex there."""
    connection = await asyncpg.connect(settings.database_url)
    tables = await connection.fetch(
        "SELECT schemaname, tablename FROM pg_tables "
        "WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
    )
    dump = {}
    for schema, table in tables:
        rows = await connection.fetch(f'SELECT one::text FROM {schema}."{table}" AS one')
        dump[f"{schema}.{table}"] = [row[0] for row in rows]
    await connection.close()
    return dump


async def valkey_dump(settings: Settings) -> list[str]:
    """All keys and values."""
    async with Redis.from_url(settings.redis_url, decode_responses=True) as valkey:
        reads = {
            "string": valkey.get,
            "hash": valkey.hgetall,
            "set": valkey.smembers,
            "list": lambda name: valkey.lrange(name, 0, -1),
            "zset": lambda name: valkey.zrange(name, 0, -1, withscores=True),
        }
        names = [name async for name in valkey.scan_iter()]
        return [f"{name} {await reads[await valkey.type(name)](name)}" for name in names]

"""Every route and command that writes leaves an audit event, or says here why it need not."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from builders import (
    NOW,
    PERSON_KEY,
    SECRET_KEY,
    SOURCES,
    USUAL,
    NewSettings,
    SteppedClock,
    a_partner,
    an_event,
    as_operator,
    client_of,
    report,
    running_app,
    unique,
)
from fastapi import FastAPI
from sqlalchemy import text
from typer.testing import CliRunner

from service.app import create_app
from service.cli import COMMANDS, command_at
from service.cli import app as cli
from service.partners.changes import PEOPLE, RealmBody
from service.partners.keys import split_key
from service.partners.two_persons import propose
from service.settings import Settings

EVENTS = "It reports events: what it leaves are facts of its own."
NOTHING = "Nothing is recorded."
OWN_ACT = "A person's own act, by their token or by the app that they act through."
CODE = "It makes a code that ends in minutes; the link that may come of it is a fact of its own."
FILES = "It changes files; the worker writes down what is in force of them (rules.in_force)."
PROJECTION = "It makes again what follows from facts."
HTTP = "It speaks HTTP, and the routes leave what is to be left."
UNAUDITED = {
    "POST /v1/events": EVENTS,
    "POST /v1/hooks/{connector_id}": EVENTS,
    "POST /v1/connectors/{connector_id}/replay": EVENTS,
    "POST /v1/estimates": NOTHING,
    "POST /v1/connectors/{connector_id}/try": NOTHING,
    "PATCH /v1/orders/{order_id}": OWN_ACT,
    **{
        f"POST /v1/{path}": OWN_ACT
        for path in (
            "orders", "orders/{order_id}/refund", "pools", "pools/join",
            "pools/{pool_id}/contributions", "pools/{pool_id}/leave",
        )
    },
    "POST /v1/links": CODE,
    "POST /v1/people/{subject}/links/preview": NOTHING,
    "POST /v1/people/{subject}/links": OWN_ACT,
    "DELETE /v1/people/{subject}/links/{link_id}": OWN_ACT,
    "PUT /v1/people/{subject}/profile": OWN_ACT,
    "DELETE /v1/people/{subject}/friends/{friendship_id}": OWN_ACT,
    **{
        f"POST /v1/people/{{subject}}/{path}": OWN_ACT
        for path in (
            "collect", "shield", "friends", "friends/{friendship_id}/accept",
            "friends/{friendship_id}/block", "friends/{friendship_id}/water",
            "friends/{friendship_id}/take",
        )
    },
}  # fmt: skip
READS = "It only reads."
UNAUDITED_COMMANDS = {
    **dict.fromkeys(
        ("settings", "openapi", "partner list", "partner show", "keys list", "reconcile",
         "audit-trail", "holds list", "factors check", "methodology check", "methodology try",
         "versions list", "shadow list", "shadow show", "receipt verify", "forest export"),
        READS,
    ),
    **dict.fromkeys(
        ("methodology new", "methodology publish", "methodology site", "book", "versions publish",
         "versions force", "versions withdraw"),
        FILES,
    ),
    **dict.fromkeys(
        ("replay", "listen", "proposals list", "proposals confirm", "proposals reject"), HTTP
    ),
    "rebuild": PROJECTION,
    "setup": "It makes a programme and its first key; tests/service/test_setup.py sees the event.",
    "up": "It starts programs; `prepare` leaves the events of what it puts in.",
    "clock": "It moves the time of a demo, in a file.",
    "migrate": "It changes the schema, and no row's meaning but by its migrations.",
    "token": "It signs a token and writes nothing.",
    "prepare": "It migrates and puts the demo's data, by the use cases that are walked here.",
    "restate": "It needs a later version; test_restating looks for its event.",
}  # fmt: skip
Ask = tuple[str, str, Any]  # method, path, JSON body


@dataclass
class World:
    """A system with one of everything; each maker returns a fresh thing."""

    app: FastAPI
    settings: Settings
    acme: httpx.AsyncClient
    admin: httpx.AsyncClient
    test: httpx.AsyncClient

    async def post(self, path: str, body: Any, client: httpx.AsyncClient | None = None) -> Any:
        answer = await (client or self.admin).post(path, json=body)
        assert answer.is_success, answer.text
        return answer.json()

    async def partner(self) -> dict[str, Any]:
        source = {"partner": unique("p"), "sources": [unique("s")]}
        return dict(await self.post("/v1/partners", source))

    async def key(self) -> str:
        made = await self.post("/v1/partner/keys", {"scopes": ["actions:read"]}, self.acme)
        return str(made["prefix"])

    async def connector(self) -> str:
        new = {"template": "food-order", "source": "eats"}
        made = await self.post("/v1/connectors", new, self.acme)
        return f"/v1/connectors/{made['connector_id']}"

    async def endpoint(self) -> str:
        made = await self.post("/v1/webhook-endpoints", ENDPOINT, self.acme)
        return f"/v1/webhook-endpoints/{made['endpoint_id']}"

    async def action(self) -> str:
        return f"/v1/actions/{(await report(self.acme, an_event()))['action_id']}"

    async def species(self) -> str:
        return str((await self.post("/v1/admin/species", a_species()))["species"])

    async def project(self) -> str:
        new = a_project(await self.species())
        return str((await self.post("/v1/admin/projects", new))["project_id"])

    async def lot(self) -> str:
        """A pledged lot with one tree."""
        project, person = await self.project(), unique("person")
        await self.post(f"/v1/people/{person}/grants", GRANT)
        await self.post("/v1/orders", {"project_id": project, "subject": person}, self.acme)
        return f"{project}-001"

    async def funded(self) -> str:
        lot = await self.lot()
        await self.post(f"/v1/admin/lots/{lot}/fund", None)
        return lot

    async def proposal(self) -> str:
        """Proposed by an operator at the command line."""
        async with as_operator(self.app.state.runtime.resources.sessions) as session:
            body = RealmBody(partner="wok", people="own")
            made = await propose(session, PEOPLE, body, partner="operator", now=NOW)
        return str(made.proposal_id)

    async def hold(self) -> str:
        activity = unique("activity")
        async with self.app.state.runtime.resources.sessions() as session, session.begin():
            await session.execute(
                text(
                    "INSERT INTO hold (partner, activity, local_day, actions, mean_mg, least_mg,"
                    " most_mg, opened_at) VALUES ('acme', :activity, '2026-06-15', 1, 1, 1, 1, :at)"
                ),
                {"activity": activity, "at": NOW},
            )
        return activity


GRANT = {"points": 100, "reason": "a gift"}
ENDPOINT = {"url": "https://shop.example/hooks", "types": ["action.credited"]}
PLANTED = {"state": "planted", "planted": 1, "on": "2026-06-15", "by": "Green hands"}
CONFIG = {
    "name": "Simple",
    "source": "eats",
    "rules": [
        {"name": "undone", "reversal": {"id": "id", "reason": "'refund'"}},
    ],
}


def a_species() -> dict[str, Any]:
    names = dict.fromkeys(("species", "scientific_name", "local_name", "english_name"), unique("s"))
    return {**names, "price_points": 1, "price_source": "a published price"}


def a_project(species: str) -> dict[str, Any]:
    names = dict.fromkeys(("name", "place", "planting_partner"), "Grove")
    days = {"opens_on": "2026-01-01", "closes_on": "2026-12-31"}
    return {
        **names, **days, "project_id": unique("grove"), "species": species, "region": "CN-NM",
        "stock": 10,
    }  # fmt: skip


async def with_body(
    method: str, path: Awaitable[str] | str, body: Any = None, end: str = ""
) -> Ask:
    made = path if isinstance(path, str) else await path
    return method, f"{made}{end}", body


async def prefixed(start: str, made: Awaitable[str]) -> str:
    return f"{start}{await made}"


async def new_project(world: World) -> Ask:
    return "POST", "/v1/admin/projects", a_project(await world.species())


async def changed_partner(world: World) -> Ask:
    return "PATCH", f"/v1/partners/{(await world.partner())['partner']}", {"disabled": True}


async def imported(world: World) -> Ask:
    return "POST", "/v1/admin/lots/import", {"reports": [{**PLANTED, "lot": await world.funded()}]}


async def sent_again(world: World) -> Ask:
    path = await world.endpoint()
    delivery = (await world.post(f"{path}/test", {}, world.acme))["delivery_id"]
    return "POST", f"/v1/deliveries/{delivery}/redeliver", None


# How each route is asked so that it writes; `admin` asks unless `ACME` or `TEST` says another.
WRITES: dict[str, Callable[[World], Awaitable[Ask]]] = {
    "POST /v1/actions/{action_id}/reversal": lambda w: with_body(
        "POST", w.action(), {"reason": "refund"}, "/reversal"
    ),
    "POST /v1/actions/{action_id}/transfer": lambda w: with_body(
        "POST", w.action(), {"scheme": "other", "reference": "1"}, "/transfer"
    ),
    "POST /v1/people/{subject}/grants": lambda w: with_body(
        "POST", f"/v1/people/{unique('p')}/grants", GRANT
    ),
    "POST /v1/admin/species": lambda w: with_body("POST", "/v1/admin/species", a_species()),
    "PATCH /v1/admin/species/{species}": lambda w: with_body(
        "PATCH", prefixed("/v1/admin/species/", w.species()), {"price_points": 2}
    ),
    "POST /v1/admin/projects": new_project,
    "PATCH /v1/admin/projects/{project_id}": lambda w: with_body(
        "PATCH", prefixed("/v1/admin/projects/", w.project()), {"stock": 20}
    ),
    "POST /v1/admin/lots/import": imported,
    "POST /v1/admin/lots/{lot}/fund": lambda w: with_body(
        "POST", prefixed("/v1/admin/lots/", w.lot()), None, "/fund"
    ),
    "POST /v1/admin/lots/{lot}/reports": lambda w: with_body(
        "POST", prefixed("/v1/admin/lots/", w.funded()), PLANTED, "/reports"
    ),
    "POST /v1/holds/{partner}/{activity}/{local_day}/release": lambda w: with_body(
        "POST", prefixed("/v1/holds/acme/", w.hold()), {"reason": "seen"}, "/2026-06-15/release"
    ),
    "POST /v1/partner/keys": lambda w: with_body(
        "POST", "/v1/partner/keys", {"scopes": ["actions:read"]}
    ),
    "POST /v1/partner/keys/{prefix}/rotation": lambda w: with_body(
        "POST", prefixed("/v1/partner/keys/", w.key()), None, "/rotation"
    ),
    "DELETE /v1/partner/keys/{prefix}": lambda w: with_body(
        "DELETE", prefixed("/v1/partner/keys/", w.key())
    ),
    "POST /v1/partners": lambda w: with_body("POST", "/v1/partners", {"partner": unique("p")}),
    "PATCH /v1/partners/{partner}": changed_partner,
    "DELETE /v1/people/{subject}": lambda w: with_body("DELETE", f"/v1/people/{unique('p')}"),
    "DELETE /v1/test-data": lambda w: with_body("DELETE", "/v1/test-data"),
    "POST /v1/proposals/{proposal_id}/confirm": lambda w: with_body(
        "POST", prefixed("/v1/proposals/", w.proposal()), None, "/confirm"
    ),
    "POST /v1/proposals/{proposal_id}/reject": lambda w: with_body(
        "POST", prefixed("/v1/proposals/", w.proposal()), None, "/reject"
    ),
    "POST /v1/connectors": lambda w: with_body(
        "POST", "/v1/connectors", {"template": "food-order", "source": "eats"}
    ),
    "PUT /v1/connectors/{connector_id}": lambda w: with_body(
        "PUT", w.connector(), {"config": CONFIG}
    ),
    "DELETE /v1/connectors/{connector_id}": lambda w: with_body("DELETE", w.connector()),
    "POST /v1/connectors/{connector_id}/confirm": lambda w: with_body(
        "POST", w.connector(), None, "/confirm"
    ),
    "POST /v1/connectors/{connector_id}/secrets": lambda w: with_body(
        "POST", w.connector(), {}, "/secrets"
    ),
    "DELETE /v1/connectors/{connector_id}/secrets": lambda w: with_body(
        "DELETE", w.connector(), None, "/secrets"
    ),
    "POST /v1/webhook-endpoints": lambda w: with_body("POST", "/v1/webhook-endpoints", ENDPOINT),
    "PATCH /v1/webhook-endpoints/{endpoint_id}": lambda w: with_body(
        "PATCH", w.endpoint(), {"enabled": False}
    ),
    "DELETE /v1/webhook-endpoints/{endpoint_id}": lambda w: with_body("DELETE", w.endpoint()),
    "POST /v1/webhook-endpoints/{endpoint_id}/confirm": lambda w: with_body(
        "POST", w.endpoint(), None, "/confirm"
    ),
    "POST /v1/webhook-endpoints/{endpoint_id}/rotate": lambda w: with_body(
        "POST", w.endpoint(), None, "/rotate"
    ),
    "POST /v1/webhook-endpoints/{endpoint_id}/test": lambda w: with_body(
        "POST", w.endpoint(), {}, "/test"
    ),
    "POST /v1/webhook-endpoints/{endpoint_id}/redeliver": lambda w: with_body(
        "POST", w.endpoint(), {"failed": True}, "/redeliver"
    ),
    "POST /v1/deliveries/{delivery_id}/redeliver": sent_again,
}
TEST = {"DELETE /v1/test-data"}
ADMIN = {
    op
    for op in WRITES
    if "/admin/" in op or "/partners" in op or "/holds/" in op or "proposal" in op
}
ADMIN |= {"POST /v1/people/{subject}/grants", "DELETE /v1/people/{subject}"}


def writing_routes(app: FastAPI) -> Iterator[str]:
    for path, methods in app.openapi()["paths"].items():
        yield from (f"{method.upper()} {path}" for method in methods if method != "get")


def test_every_route_that_writes_is_audited_or_says_why_not() -> None:
    found = set(writing_routes(create_app(Settings())))

    assert found == WRITES.keys() | UNAUDITED.keys(), (
        f"say in {__file__} how {sorted(found - WRITES.keys() - UNAUDITED.keys())} are asked, so "
        f"that their audit events are seen, or why they leave none; gone: "
        f"{sorted((WRITES.keys() | UNAUDITED.keys()) - found)}"
    )
    assert not WRITES.keys() & UNAUDITED.keys()


@pytest.fixture(scope="module")
async def world(new_settings: NewSettings) -> AsyncIterator[World]:
    settings = await new_settings()
    async with running_app(settings, SteppedClock()) as app:
        sessions = app.state.runtime.resources.sessions
        every = (*USUAL, "webhooks:manage", "keys:manage")
        acme = await a_partner(sessions, name="acme", sources=SOURCES, scopes=every)
        admin = await a_partner(sessions, name="office", scopes=("admin",))
        async with client_of(app, acme.key) as one, client_of(app, admin.key) as other:
            made = await other.post("/v1/partners", json={"partner": "wok", "sources": ["wok"]})
            async with client_of(app, made.json()["test_key"]["key"]) as test:
                yield World(app, settings, one, other, test)


async def events_of(world: World, request_id: str) -> list[str]:
    async with world.app.state.runtime.resources.pool.acquire() as connection:
        rows = await connection.fetch(
            "SELECT act FROM public.audit_event WHERE request_id = $1", request_id
        )
    return [row["act"] for row in rows]


@pytest.mark.parametrize("route", sorted(WRITES))
async def test_a_route_that_writes_leaves_an_audit_event(world: World, route: str) -> None:
    method, path, body = await WRITES[route](world)
    client = world.test if route in TEST else world.admin if route in ADMIN else world.acme
    request_id = unique("request")

    headers = {"X-Request-Id": request_id}
    answer = await client.request(method, path, json=body, headers=headers)

    assert answer.is_success, answer.text
    assert await events_of(world, request_id), f"{route} wrote, and left no audit event"


def leaves(command: Any, name: str) -> Iterator[str]:
    for one, below in getattr(command, "commands", {}).items():
        yield from leaves(below, f"{name} {one}")
    if not getattr(command, "commands", None):
        yield name


async def funded_file(world: World, folder: Path) -> list[str]:
    file = folder / "reports.json"
    file.write_bytes(orjson.dumps({"reports": [{**PLANTED, "lot": await world.funded()}]}))
    return ["forest", "import", str(file)]


async def held(world: World) -> list[str]:
    return ["holds", "release", "acme", await world.hold(), "2026-06-15", "--reason", "seen"]


async def confirmed(world: World) -> list[str]:
    key = split_key(str(world.acme.headers["authorization"]).removeprefix("Bearer "))
    assert key is not None
    connector = (await world.connector()).rpartition("/")[2]
    return ["partner", "confirm", "acme", connector, key[0]]


async def of_partner(world: World, what: str, *more: str) -> list[str]:
    return ["partner", what, (await world.partner())["partner"], *more]


async def enabled(world: World) -> list[str]:
    partner = (await world.partner())["partner"]
    await world.admin.patch(f"/v1/partners/{partner}", json={"disabled": True})
    return ["partner", "enable", partner]


async def revoked(world: World) -> list[str]:
    return ["keys", "revoke", await world.key()]


async def just(*words: str) -> list[str]:
    return list(words)


COMMANDS_THAT_WRITE: dict[str, Callable[[World, Path], Awaitable[list[str]]]] = {
    "partner add": lambda w, _: just("partner", "add", unique("p"), "--source", unique("s")),
    "partner disable": lambda w, _: of_partner(w, "disable"),
    "partner enable": lambda w, _: enabled(w),
    "partner people": lambda w, _: of_partner(w, "people", "programme"),
    "partner quota": lambda w, _: of_partner(w, "quota", "10"),
    "partner wipe-test": lambda w, _: of_partner(w, "wipe-test"),
    "partner confirm": lambda w, _: confirmed(w),
    "keys add": lambda w, _: just("keys", "add", unique("p"), "--scope", "actions:read"),
    "secrets reseal": lambda *_: just("secrets", "reseal"),
    "keys revoke": lambda w, _: revoked(w),
    "people erase": lambda w, _: just("people", "erase", unique("p"), "--yes"),
    "holds release": lambda w, _: held(w),
    "forest import": funded_file,
    "shadow run": lambda w, _: just("shadow", "run", "cycle.bike", "--alternative",
                                    "cycle.bike@1.0.0"),
}  # fmt: skip


def test_every_command_is_audited_or_says_why_not() -> None:
    found = set(itertools.chain(*(leaves(command_at(name), name) for name in COMMANDS)))

    assert found == COMMANDS_THAT_WRITE.keys() | UNAUDITED_COMMANDS.keys(), (
        f"say in {__file__} how the command is given, so that its audit event is seen, or why it "
        f"leaves none: {sorted(found ^ (COMMANDS_THAT_WRITE.keys() | UNAUDITED_COMMANDS.keys()))}"
    )


@pytest.mark.parametrize("command", sorted(COMMANDS_THAT_WRITE))
async def test_a_command_that_writes_leaves_an_audit_event(
    world: World, command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", str(world.settings.database_url))
    monkeypatch.setenv("REDIS_URL", str(world.settings.redis_url))
    monkeypatch.setenv("SAXAUL_HOME", str(tmp_path))
    monkeypatch.setenv("SAXAUL_SECRET_KEY", SECRET_KEY)
    monkeypatch.setenv("SAXAUL_PERSON_KEY", PERSON_KEY)
    words = await COMMANDS_THAT_WRITE[command](world, tmp_path)
    before = await by_operators(world)

    result = await asyncio.to_thread(CliRunner().invoke, cli, words)

    assert result.exit_code == 0, result.output
    assert await by_operators(world) > before, f"`saxaul {command}` left no audit event"


async def by_operators(world: World) -> int:
    async with world.app.state.runtime.resources.pool.acquire() as connection:
        count = "SELECT count(*) FROM public.audit_event WHERE actor_kind = 'operator'"
        return int(await connection.fetchval(count))

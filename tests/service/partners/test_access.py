"""Every route, as everybody who may not use it. A new route must take its place in a list here."""

from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import httpx
import pytest
from builders import NOW, SINGLE, USUAL, a_partner, an_event, client_of, report, unique
from fastapi import FastAPI

from service.app import create_app
from service.partners import store
from service.partners.keys import make_key
from service.settings import Settings
from service.webhooks.inbound.config import ready_made

ALL = (*USUAL, "events:backfill", "webhooks:manage", "keys:manage")
PUBLIC = {
    "GET /healthz",
    "GET /readyz",
    "GET /metrics",
    "GET /problems",
    "GET /problems/{code}",
    "GET /v1/totals",
    "GET /v1/totals/series",
    "GET /v1/totals/stream",
    "GET /v1/projects",
    "GET /v1/projects/{project_id}",
    "GET /v1/methodologies",
    "GET /v1/methodologies/{methodology_id}/{version}",
    "GET /v1/factors",
    "GET /v1/connector-templates",
    "GET /v1/policies",
    "GET /v1/leaderboards/{region}",
    "GET /v1/webhook-types",
    "GET /v1/webhook-types/{name}",
    "GET /v1/certificates/{serial}",
    "GET /v1/certificates/{serial}.pdf",
}
# Anyone who is known may ask; the events in it must be the caller's own.
EVENTS = {"POST /v1/events", "POST /v1/estimates"}
ACTIONS = {
    "GET /v1/actions/{action_id}",
    "GET /v1/actions/{action_id}/receipt",
    "POST /v1/actions/{action_id}/reversal",
}
# Said by partners alone, each of its own actions.
TRANSFERS = {"POST /v1/actions/{action_id}/transfer"}
PEOPLE = {
    "GET /v1/people/{subject}",
    "GET /v1/people/{subject}/actions",
    "GET /v1/people/{subject}/earnings",
    "GET /v1/people/{subject}/entries",
    "POST /v1/people/{subject}/collect",
    "GET /v1/people/{subject}/statement",
    "GET /v1/people/{subject}/orders",
    "GET /v1/people/{subject}/pools",
    "GET /v1/people/{subject}/profile",
    "PUT /v1/people/{subject}/profile",
    "POST /v1/people/{subject}/shield",
    "GET /v1/people/{subject}/leaderboard",
    "GET /v1/people/{subject}/links",
    "DELETE /v1/people/{subject}/links/{link_id}",
    "GET /v1/people/{subject}/friends",
    "POST /v1/people/{subject}/friends",
}
# Of a person and a friendship: only its two sides may use it, each under its own subject.
FRIENDSHIPS = {
    "POST /v1/people/{subject}/friends/{friendship_id}/accept",
    "POST /v1/people/{subject}/friends/{friendship_id}/block",
    "DELETE /v1/people/{subject}/friends/{friendship_id}",
    "POST /v1/people/{subject}/friends/{friendship_id}/water",
    "GET /v1/people/{subject}/friends/{friendship_id}/earnings",
    "POST /v1/people/{subject}/friends/{friendship_id}/take",
}
# The body or the query names the person; without a name it is the token's own.
NAMED = {
    "POST /v1/orders",
    "POST /v1/pools",
    "POST /v1/pools/join",
    "GET /v1/pools/{pool_id}",
    "POST /v1/pools/{pool_id}/contributions",
    "POST /v1/pools/{pool_id}/leave",
}
POOLS = {route for route in NAMED if "{pool_id}" in route}
# A person's own; a partner's, when it placed them.
ORDERS = {
    "GET /v1/orders/{order_id}",
    "PATCH /v1/orders/{order_id}",
    "POST /v1/orders/{order_id}/refund",
}
LINKS = {"POST /v1/links", "GET /v1/links"}  # of partners with customers of their own
CONSENTS = {  # with the person's own token, and no key at all
    "POST /v1/people/{subject}/links",
    "POST /v1/people/{subject}/links/preview",
}
# Any key may see its partner; one with `keys:manage` its keys.
SELF = {
    "GET /v1/partner",
    "GET /v1/partner/keys",
    "POST /v1/partner/keys",
    "POST /v1/partner/keys/{prefix}/rotation",
    "DELETE /v1/partner/keys/{prefix}",
}
OPERATORS = {
    "GET /v1/partners",
    "POST /v1/partners",
    "GET /v1/partners/{partner}",
    "PATCH /v1/partners/{partner}",
    "POST /v1/holds/{partner}/{activity}/{local_day}/release",
    "POST /v1/proposals/{proposal_id}/confirm",
    "POST /v1/proposals/{proposal_id}/reject",
    "GET /v1/methodology-runs",
    "GET /v1/methodology-runs/{run_id}",
    "GET /v1/admin/species",
    "POST /v1/admin/species",
    "PATCH /v1/admin/species/{species}",
    "POST /v1/admin/projects",
    "PATCH /v1/admin/projects/{project_id}",
    "GET /v1/admin/lots",
    "GET /v1/admin/lots/export",
    "POST /v1/admin/lots/import",
    "GET /v1/admin/lots/{lot}",
    "POST /v1/admin/lots/{lot}/fund",
    "POST /v1/admin/lots/{lot}/reports",
    "GET /v1/admin/liability",
}
ADMINISTRATORS = {"POST /v1/people/{subject}/grants"}
# The person themselves may, and an operator.
ERASURES = {"DELETE /v1/people/{subject}"}
AUDITS = {"GET /v1/audit-events", "GET /v1/proposals"}
HOLDS = {"GET /v1/holds"}  # a partner sees its own
CONNECTORS = {
    "GET /v1/connectors",
    "POST /v1/connectors",
    "GET /v1/connectors/{connector_id}",
    "PUT /v1/connectors/{connector_id}",
    "DELETE /v1/connectors/{connector_id}",
    "POST /v1/connectors/{connector_id}/confirm",
    "POST /v1/connectors/{connector_id}/secrets",
    "DELETE /v1/connectors/{connector_id}/secrets",
    "GET /v1/connectors/{connector_id}/versions",
    "GET /v1/connectors/{connector_id}/deliveries",
    "GET /v1/connectors/{connector_id}/quarantine",
    "POST /v1/connectors/{connector_id}/replay",
    "POST /v1/connectors/{connector_id}/try",
}
# What comes in through these is reported.
CONNECTOR_WRITES = {
    "POST /v1/connectors",
    "PUT /v1/connectors/{connector_id}",
    "POST /v1/connectors/{connector_id}/confirm",
    "POST /v1/connectors/{connector_id}/secrets",
    "POST /v1/connectors/{connector_id}/replay",
    "POST /v1/connectors/{connector_id}/try",
}
ENDPOINTS = {
    "GET /v1/webhook-endpoints",
    "POST /v1/webhook-endpoints",
    "GET /v1/webhook-endpoints/{endpoint_id}",
    "PATCH /v1/webhook-endpoints/{endpoint_id}",
    "DELETE /v1/webhook-endpoints/{endpoint_id}",
    "POST /v1/webhook-endpoints/{endpoint_id}/confirm",
    "POST /v1/webhook-endpoints/{endpoint_id}/rotate",
    "POST /v1/webhook-endpoints/{endpoint_id}/test",
    "GET /v1/webhook-endpoints/{endpoint_id}/deliveries",
    "POST /v1/webhook-endpoints/{endpoint_id}/redeliver",
    "POST /v1/deliveries/{delivery_id}/redeliver",
}
TEST_DATA = {"DELETE /v1/test-data"}
SIGNED = {"POST /v1/hooks/{connector_id}"}  # opened by signatures, see test_hooks.py
CLOSED = sorted(
    EVENTS | ACTIONS | TRANSFERS | PEOPLE | FRIENDSHIPS | NAMED | ORDERS | SELF | OPERATORS
    | ADMINISTRATORS | ERASURES | HOLDS | AUDITS | CONNECTORS | ENDPOINTS | TEST_DATA
    | LINKS | CONSENTS
)  # fmt: skip
# What somebody made, under an id: for others it is not there.
OBJECTS = ACTIONS | TRANSFERS | ORDERS | POOLS | {
    route for route in CONNECTORS | ENDPOINTS if "{" in route
}  # fmt: skip

NO_ONE = "01a201c6-1d2f-7a2d-8cf2-5a43cd251ba5"
URL = "https://shop.example/hooks"
PRICE = 100
STRANGE = "strange-source"
_SPECIES = {
    "species": "intruder",
    "scientific_name": "Haloxylon ammodendron",
    "local_name": "梭梭",
    "english_name": "Saxaul",
    "price_points": 1,
    "price_source": "nobody",
}
_PROJECT = {
    "project_id": "intruder",
    "name": "Grove",
    "species": "intruder",
    "place": "Alxa",
    "region": "CN-NM",
    "planting_partner": "Nobody",
    "opens_on": "2026-01-01",
    "closes_on": "2026-12-31",
    "stock": 10,
}
# Requests that would be done for whoever may: nobody is refused for a bad body here.
BODIES: dict[str, dict[str, Any]] = {
    "POST /v1/actions/{action_id}/reversal": {"reason": "refund"},
    "POST /v1/actions/{action_id}/transfer": {"scheme": "other", "reference": "1"},
    "PUT /v1/people/{subject}/profile": {"display_name": "Intruder"},
    "POST /v1/people/{subject}/friends": {"subject": "intruder"},
    "POST /v1/people/{subject}/friends/{friendship_id}/water": {"points": 10},
    "POST /v1/links": {"customer": "intruder"},
    "POST /v1/people/{subject}/links": {"code": "00000-00000"},
    "POST /v1/people/{subject}/links/preview": {"code": "00000-00000"},
    "POST /v1/people/{subject}/grants": {"points": 5, "reason": "a gift"},
    "POST /v1/pools/{pool_id}/contributions": {"points": 1},
    "PATCH /v1/orders/{order_id}": {"display_name": "Intruder"},
    "POST /v1/partner/keys": {"scopes": ["actions:read"]},
    "POST /v1/partners": {"partner": "intruder", "name": "Intruder", "sources": []},
    "PATCH /v1/partners/{partner}": {"name": "Intruder"},
    "POST /v1/holds/{partner}/{activity}/{local_day}/release": {"reason": "why not"},
    "POST /v1/admin/species": _SPECIES,
    "PATCH /v1/admin/species/{species}": {"english_name": "Weed"},
    "POST /v1/admin/projects": _PROJECT,
    "PATCH /v1/admin/projects/{project_id}": {"is_open": False},
    "POST /v1/admin/lots/import": {"reports": []},
    "POST /v1/admin/lots/{lot}/reports": {"state": "lost", "on": "2026-06-15", "by": "Nobody"},
    "POST /v1/webhook-endpoints": {"url": URL, "types": ["action.credited"]},
    "PATCH /v1/webhook-endpoints/{endpoint_id}": {"enabled": False},
    "POST /v1/webhook-endpoints/{endpoint_id}/test": {},
    "POST /v1/webhook-endpoints/{endpoint_id}/redeliver": {"failed": True},
}
Target = dict[str, str]


def routes(app: FastAPI) -> Iterator[str]:
    for path, methods in app.openapi()["paths"].items():
        for method in methods:
            yield f"{method.upper()} {path}"


def test_every_route_has_a_rule() -> None:
    known = PUBLIC | SIGNED | set(CLOSED)

    found = set(routes(create_app(Settings())))

    assert found <= known, f"say in {__file__} who may use {sorted(found - known)}, and test it"
    assert known <= found, f"{sorted(known - found)} are gone: take them out of {__file__}"


async def send(
    client: httpx.AsyncClient, route: str, target: Target, **changes: str
) -> httpx.Response:
    """Ask a route about the target, in a request that whoever may would be given."""
    method, path = route.split()
    named = {**target, **changes}
    address = path.format_map(named)
    if route in EVENTS:
        event = an_event(source=named["source"], subject=named["subject"])
        return await client.post(address, json=event, headers=SINGLE)
    if route in NAMED:
        who = {"subject": named["subject"]} if named["subject"] else {}
        if method == "GET":
            return await client.get(address, params=who)
        of_route = {
            "POST /v1/orders": {"project_id": named["project_id"]},
            "POST /v1/pools": {"project_id": named["project_id"], "name": "Intruders"},
            "POST /v1/pools/join": {"code": named["code"]},
        }
        body = {**BODIES.get(route, {}), **of_route.get(route, {}), **who}
        return await client.post(address, json=body)
    body = BODIES.get(route)
    if route == "PUT /v1/connectors/{connector_id}":
        body = {"config": {**ready_made()["food-order"], "source": named["shop"]}}
    if body is None and method == "POST" and route in CONNECTORS:
        body = {}
    return await client.request(method, address, json=body)


@pytest.fixture(scope="module")
async def owner(app: FastAPI, partner: httpx.AsyncClient) -> AsyncIterator[httpx.AsyncClient]:
    """Speaks as `acme` with every scope but `admin`."""
    acme = await a_partner(app.state.runtime.resources.sessions, name="acme", scopes=ALL)
    async with client_of(app, acme.key) as client:
        yield client


@pytest.fixture(scope="module")
async def stranger(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """Speaks as another partner with every scope but `admin`."""
    other = await a_partner(app.state.runtime.resources.sessions, scopes=ALL, sources=(STRANGE,))
    async with client_of(app, other.key) as client:
        yield client


async def made(answer: Awaitable[httpx.Response]) -> dict[str, Any]:
    answered = await answer
    assert answered.is_success, answered.text
    body: dict[str, Any] = answered.json()
    return body


async def assert_untouched(owner: httpx.AsyncClient, target: Target) -> None:
    """The last look: whatever was refused left no trace."""
    subject = target["subject"]
    action = await made(owner.get(f"/v1/actions/{target['action_id']}"))
    statement = await made(owner.get(f"/v1/people/{subject}"))
    order = await made(owner.get(f"/v1/orders/{target['order_id']}"))
    pool = await made(owner.get(f"/v1/pools/{target['pool_id']}", params={"subject": subject}))
    (friend,) = (await made(owner.get(f"/v1/people/{subject}/friends")))["data"]
    profile = await made(owner.get(f"/v1/people/{subject}/profile"))
    endpoint = await made(owner.get(f"/v1/webhook-endpoints/{target['endpoint_id']}"))
    connector = await made(owner.get(f"/v1/connectors/{target['connector_id']}"))
    project = await made(owner.get(f"/v1/projects/{target['project_id']}"))

    assert (action["reversal"], action["transfer"]) == (None, None)
    assert statement["points"]["issued"] == 794
    assert statement["points"]["balance"] == 9 * PRICE
    assert (order["state"], order["display_name"]) == ("placed", None)
    assert (pool["state"], pool["collected"]) == ("open", 0)
    assert (friend["friendship_id"], friend["state"]) == (target["friendship_id"], "friends")
    assert profile["display_name"] is profile["shielded_until"] is None
    assert (endpoint["enabled"], endpoint["old_secret_until"]) == (True, None)
    assert (connector["version"], connector["secrets"]) == (1, 1)
    assert (project["is_open"], project["trees"]["contracted"]) == (True, 1)


@pytest.fixture(scope="module")
async def target(owner: httpx.AsyncClient, admin: httpx.AsyncClient) -> AsyncIterator[Target]:
    """Somebody, and one of everything that they and the partner `acme` have; all is kept."""
    subject, friend = unique("person"), unique("friend")
    action = await report(owner, an_event(subject=subject))
    gift = {"points": 10 * PRICE, "reason": "a gift"}
    await made(admin.post(f"/v1/people/{subject}/grants", json=gift))
    project_id = unique("grove")
    species = {**_SPECIES, "species": project_id, "price_points": PRICE}
    await made(admin.post("/v1/admin/species", json=species))
    project = {**_PROJECT, "project_id": project_id, "species": project_id}
    await made(admin.post("/v1/admin/projects", json=project))
    of = {"project_id": project_id, "subject": subject}
    order = await made(owner.post("/v1/orders", json=of))
    pool = await made(owner.post("/v1/pools", json={**of, "name": "We"}))
    asked = await made(owner.post(f"/v1/people/{subject}/friends", json={"subject": friend}))
    (asking,) = (await made(owner.get(f"/v1/people/{friend}/friends")))["data"]
    await made(owner.post(f"/v1/people/{friend}/friends/{asking['friendship_id']}/accept"))
    wanted = {"template": "food-order", "source": "eats"}
    connector = await made(owner.post("/v1/connectors", json=wanted))
    wanted = {"url": URL, "types": ["action.credited"]}
    endpoint = await made(owner.post("/v1/webhook-endpoints", json=wanted))
    path = f"/v1/webhook-endpoints/{endpoint['endpoint_id']}/test"
    delivery = await made(owner.post(path))
    (key, *_) = (await made(owner.get("/v1/partner/keys")))["data"]
    target = {
        "subject": subject,
        "friend": friend,
        "source": "metro",
        "shop": "eats",
        "action_id": action["action_id"],
        "project_id": project_id,
        "species": project_id,
        "order_id": order["order_id"],
        "serial": order["serial"],
        "lot": order["lot"],
        "pool_id": pool["pool_id"],
        "code": pool["code"],
        "friendship_id": asked["friendship_id"],
        "connector_id": connector["connector_id"],
        "endpoint_id": endpoint["endpoint_id"],
        "delivery_id": delivery["delivery_id"],
        "prefix": key["prefix"],
        "partner": "acme",
        "activity": "transit.metro",
        "local_day": "2026-06-15",
        "run_id": NO_ONE,
        "proposal_id": NO_ONE,
        "link_id": NO_ONE,
    }
    yield target
    await assert_untouched(owner, target)


@pytest.mark.parametrize("route", CLOSED)
@pytest.mark.parametrize("authorization", [None, "Bearer nonsense", "Bearer sx_0_0", "Basic eDp5"])
async def test_nobody_comes_in_without_credentials(
    app: FastAPI, target: Target, route: str, authorization: str | None
) -> None:
    async with client_of(app) as client:
        if authorization is not None:
            client.headers["authorization"] = authorization
        answer = await send(client, route, target)

    assert answer.status_code == 401, answer.text


@pytest.mark.parametrize("route", CLOSED)
async def test_who_speaks_is_known_before_the_request_is_read(
    public: httpx.AsyncClient, route: str
) -> None:
    method, path = route.split()

    answer = await public.request(method, path.format_map(defaultdict(lambda: "7")), content=b"{")

    assert answer.status_code == 401, answer.text


@pytest.mark.parametrize("route", sorted(set(CLOSED) - {"GET /v1/partner"} - TEST_DATA - CONSENTS))
async def test_a_key_without_scopes_opens_nothing(app: FastAPI, target: Target, route: str) -> None:
    async with client_of(app, await another_key_of_acme(app, ())) as client:
        answer = await send(client, route, target)

    assert answer.status_code == 403, answer.text
    assert answer.json()["type"] == "/problems/scope-missing"


@pytest.mark.parametrize(
    ("route", "scope"),
    [
        *((route, "events:write") for route in sorted(EVENTS | CONNECTOR_WRITES)),
        *((route, "people:act") for route in sorted(PEOPLE | FRIENDSHIPS | NAMED | ORDERS)),
        *((route, "events:write") for route in sorted(LINKS)),
        *((route, "webhooks:manage") for route in sorted(CONNECTORS | ENDPOINTS)),
        *((route, "actions:read") for route in sorted(HOLDS)),
        *((route, "events:write") for route in sorted(TRANSFERS)),
        *((route, "operator") for route in sorted(OPERATORS | AUDITS | ERASURES)),
        *((route, "admin") for route in sorted(ADMINISTRATORS)),
        *((route, "keys:manage") for route in sorted(SELF - {"GET /v1/partner"})),
    ],
)
async def test_every_scope_but_the_one_that_is_needed_opens_nothing(
    app: FastAPI, target: Target, route: str, scope: str
) -> None:
    key = await another_key_of_acme(app, tuple(one for one in ALL if one != scope))

    async with client_of(app, key) as client:
        answer = await send(client, route, target)

    assert answer.status_code == 403, answer.text
    assert scope in answer.json()["detail"]


async def another_key_of_acme(app: FastAPI, scopes: tuple[str, ...]) -> str:
    return (await a_partner(app.state.runtime.resources.sessions, name="acme", scopes=scopes)).key


async def test_what_everybodys_people_lost_is_told_to_who_may_act_for_them(
    app: FastAPI, target: Target
) -> None:
    key = await another_key_of_acme(app, ("webhooks:manage",))
    path = f"/v1/webhook-endpoints/{target['endpoint_id']}"
    lapses = {"types": ["points.lapsed"]}

    async with client_of(app, key) as client:
        made_so = await client.post("/v1/webhook-endpoints", json={"url": URL, **lapses})
        changed = await client.patch(path, json=lapses)
        another = await client.patch(path, json={"types": ["action.credited"]})

    assert (made_so.status_code, changed.status_code, another.status_code) == (403, 403, 200)


@pytest.mark.parametrize(
    "route", sorted(EVENTS | OBJECTS | OPERATORS | ADMINISTRATORS | AUDITS | ERASURES)
)
async def test_another_partner_is_refused(
    stranger: httpx.AsyncClient, target: Target, route: str
) -> None:
    # A partner that may act for people may act for any; a pool opens to its members alone.
    changes = {"subject": subject_for(route, target), "shop": STRANGE}
    answer = await send(stranger, route, target, **changes)

    assert answer.status_code == (404 if route in OBJECTS else 403), answer.text


def subject_for(route: str, target: Target) -> str:
    return unique("person") if route in POOLS else target["subject"]


@pytest.mark.parametrize(
    "route",
    sorted(route for route in CLOSED if not route.startswith("GET ")),
)
async def test_an_auditor_changes_nothing(app: FastAPI, target: Target, route: str) -> None:
    key = await another_key_of_acme(app, ("auditor",))

    async with client_of(app, key) as client:
        answer = await send(client, route, target)

    assert answer.status_code == 403, answer.text


@pytest.mark.parametrize("route", sorted(FRIENDSHIPS))
async def test_a_friendship_is_of_its_two_sides(
    stranger: httpx.AsyncClient, target: Target, route: str
) -> None:
    answer = await send(stranger, route, target, subject=unique("person"))

    assert answer.status_code == 404, answer.text


async def test_another_partner_sees_none_of_ones_own(
    stranger: httpx.AsyncClient, target: Target
) -> None:
    lists = (f"/v1/people/{target['subject']}/actions", "/v1/connectors", "/v1/webhook-endpoints")
    for path in (*lists, "/v1/holds"):
        assert (await made(stranger.get(path)))["data"] == [], path

    keys = (await made(stranger.get("/v1/partner/keys")))["data"]
    statement = await made(stranger.get(f"/v1/people/{target['subject']}/statement"))

    assert target["prefix"] not in [key["prefix"] for key in keys]
    assert [one["actions"] for one in statement["earnings"]] == [[]]


@pytest.mark.parametrize("route", sorted(route for route in SELF if "{prefix}" in route))
async def test_another_partner_cannot_touch_ones_keys(
    stranger: httpx.AsyncClient, target: Target, route: str
) -> None:
    answer = await send(stranger, route, target)

    assert answer.status_code == 404, answer.text


@pytest.mark.parametrize("route", CLOSED)
async def test_another_person_is_refused(
    person: Callable[[str], Any], target: Target, route: str
) -> None:
    async with person(unique("person")) as client:
        answer = await send(client, route, target)

    assert answer.status_code == (404 if route in ACTIONS | ORDERS else 403), answer.text


@pytest.mark.parametrize("route", sorted(POOLS))
async def test_a_pool_is_not_there_for_a_person_outside(
    person: Callable[[str], Any], target: Target, route: str
) -> None:
    async with person(unique("person")) as client:
        answer = await send(client, route, target, subject="")

    assert answer.status_code == 404, answer.text


@pytest.mark.parametrize(
    "route",
    sorted(
        OPERATORS
        | ADMINISTRATORS
        | AUDITS
        | HOLDS
        | TRANSFERS
        | CONNECTORS
        | ENDPOINTS
        | SELF
        | LINKS
    ),
)
async def test_what_is_for_partners_is_closed_to_the_person_themselves(
    person: Callable[[str], Any], target: Target, route: str
) -> None:
    async with person(target["subject"]) as client:
        answer = await send(client, route, target)

    assert answer.status_code == 403, answer.text


@pytest.mark.parametrize("route", sorted(OBJECTS | OPERATORS | ADMINISTRATORS | AUDITS))
async def test_a_test_key_finds_nothing_of_the_live_world(
    test_key: str, app: FastAPI, target: Target, route: str
) -> None:
    async with client_of(app, test_key) as client:
        answer = await send(client, route, target)

    assert answer.status_code == (404 if route in OBJECTS else 403), answer.text


@pytest.mark.parametrize("route", CLOSED)
async def test_the_live_world_takes_no_test_key(
    test_key: str, app: FastAPI, target: Target, route: str
) -> None:
    # Not by the fast path, which would send a test key to the sandbox.
    transport = httpx.ASGITransport(app)
    headers = {"Authorization": f"Bearer {test_key}"}
    async with httpx.AsyncClient(
        transport=transport, base_url="http://saxaul.test", headers=headers
    ) as client:
        answer = await send(client, route, target)

    assert answer.status_code == 401, answer.text


@pytest.fixture(scope="module", name="test_key")
async def a_test_key(app: FastAPI, partner: httpx.AsyncClient) -> str:
    """A test key of `acme` that asks for every scope."""
    key = make_key(is_test=True)
    async with app.state.runtime.registry() as session, session.begin():
        await store.put_key(
            session, key, partner="acme", scopes=(*ALL, "admin"), now=NOW, expires_at=None
        )
    return key.text


async def test_friends_meet_in_the_world_of_their_partner(test_key: str, app: FastAPI) -> None:
    asker, asked = unique("person"), unique("person")
    async with client_of(app, test_key) as client:
        await made(client.post(f"/v1/people/{asker}/friends", json={"subject": asked}))
        (found,) = (await made(client.get(f"/v1/people/{asked}/friends")))["data"]

    assert found["state"] == "asking"


async def test_nobodys_name_is_told_to_others(
    app: FastAPI, public: httpx.AsyncClient, owner: httpx.AsyncClient, target: Target
) -> None:
    """Neither the app's subject nor the id of a person is in what others read."""
    subject, friend = target["subject"], target["friend"]
    ids = {str(app.state.runtime.hasher.person(one).id) for one in (subject, friend)}
    joined = await made(
        owner.post("/v1/pools/join", json={"code": target["code"], "subject": friend})
    )
    told = [
        (await public.get(f"/v1/certificates/{target['serial']}")).text,
        str(joined),
        (await owner.get(f"/v1/people/{friend}/friends")).text,
        (await owner.get(f"/v1/people/{friend}/leaderboard")).text,
    ]

    for text in told:
        assert not [one for one in (subject, friend, *ids) if one in text], text


@pytest.mark.parametrize("route", sorted(PUBLIC - {"GET /v1/totals/stream"}))
async def test_public_routes_ask_for_nothing(
    public: httpx.AsyncClient, target: Target, route: str
) -> None:
    _, path = route.split()
    parts = {
        "methodology_id": "transit.metro",
        "version": "1.0.0",
        "code": "not-found",
        "region": "CN",
        "name": "action.credited",
    }

    answer = await public.get(path.format_map({**target, **parts}))

    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("route", sorted(CONSENTS))
async def test_no_key_consents_for_a_person(
    target: Target, admin: httpx.AsyncClient, route: str
) -> None:
    answer = await send(admin, route, target)

    assert (answer.status_code, answer.json()["type"]) == (403, "/problems/token-needed")


@pytest.mark.parametrize("route", sorted(LINKS))
async def test_an_app_operator_has_no_customers_to_link(
    owner: httpx.AsyncClient, route: str
) -> None:
    method, path = route.split()
    answer = await owner.request(method, f"{path}?customer=intruder", json=BODIES.get(route))

    assert (answer.status_code, answer.json()["type"]) == (403, "/problems/person-not-yours")

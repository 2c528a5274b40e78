"""Every route, as everybody who may not use it. A new route must take its place in a list here."""

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from builders import SINGLE, a_partner, an_event, client_of, report, unique
from fastapi import FastAPI

from service.main import create_app
from service.settings import Settings

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
}
# Anyone who is known may ask; the events in it must be the caller's own.
EVENTS = {"POST /v1/events", "POST /v1/estimates"}
ACTIONS = {
    "GET /v1/actions/{action_id}",
    "GET /v1/actions/{action_id}/receipt",
    "POST /v1/actions/{action_id}/reversal",
}
PEOPLE = {
    "GET /v1/people/{subject}",
    "GET /v1/people/{subject}/actions",
    "GET /v1/people/{subject}/earnings",
    "GET /v1/people/{subject}/entries",
    "POST /v1/people/{subject}/collect",
}
# Any key may see its partner and change itself.
SELF = {
    "GET /v1/partner",
    "GET /v1/partner/keys",
    "POST /v1/partner/keys/{prefix}/rotation",
    "DELETE /v1/partner/keys/{prefix}",
}
OPERATORS = {
    "GET /v1/partners",
    "POST /v1/partners",
    "GET /v1/partners/{partner}",
    "PATCH /v1/partners/{partner}",
}
CONNECTORS = {
    "GET /v1/connectors",
    "POST /v1/connectors",
    "GET /v1/connectors/{connector_id}",
    "PUT /v1/connectors/{connector_id}",
    "DELETE /v1/connectors/{connector_id}",
    "POST /v1/connectors/{connector_id}/secrets",
    "DELETE /v1/connectors/{connector_id}/secrets",
    "GET /v1/connectors/{connector_id}/versions",
    "GET /v1/connectors/{connector_id}/deliveries",
    "GET /v1/connectors/{connector_id}/quarantine",
    "POST /v1/connectors/{connector_id}/replay",
    "POST /v1/connectors/{connector_id}/try",
}
TEST_DATA = {"DELETE /v1/test-data"}
SIGNED = {"POST /v1/hooks/{connector_id}"}  # opened by signatures, see test_hooks.py
CLOSED = sorted(EVENTS | ACTIONS | PEOPLE | SELF | OPERATORS | CONNECTORS | TEST_DATA)


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
    client: httpx.AsyncClient, route: str, *, action_id: str, subject: str, source: str
) -> httpx.Response:
    method, path = route.split()
    named = {"prefix": "none", "partner": "none", "connector_id": "none"}
    address = path.format(action_id=action_id, subject=subject, **named)
    if route in EVENTS:
        event = an_event(source=source, subject=subject)
        return await client.post(address, json=event, headers=SINGLE)
    if method == "POST":
        return await client.post(address, json={"reason": "refund"})
    return await client.request(method, address)


@pytest.fixture(scope="module")
async def target(partner: httpx.AsyncClient) -> dict[str, str]:
    """Somebody's action, of the partner `acme`."""
    subject = unique("person")
    result = await report(partner, an_event(subject=subject))
    return {"action_id": result["action_id"], "subject": subject, "source": "metro"}


@pytest.mark.parametrize("route", CLOSED)
@pytest.mark.parametrize("authorization", [None, "Bearer nonsense", "Bearer sx_0_0", "Basic eDp5"])
async def test_nobody_comes_in_without_credentials(
    public: httpx.AsyncClient, target: dict[str, str], route: str, authorization: str | None
) -> None:
    public.headers.pop("authorization", None)
    if authorization is not None:
        public.headers["authorization"] = authorization

    answer = await send(public, route, **target)

    public.headers.pop("authorization", None)
    assert answer.status_code == 401, answer.text


@pytest.mark.parametrize("route", CLOSED)
async def test_who_speaks_is_known_before_the_request_is_read(
    public: httpx.AsyncClient, route: str
) -> None:
    method, path = route.split()

    named = dict.fromkeys(("action_id", "subject", "prefix", "partner", "connector_id"), "7")
    answer = await public.request(method, path.format(**named), content=b"{")

    assert answer.status_code == 401, answer.text


@pytest.mark.parametrize("route", sorted(set(CLOSED) - SELF - TEST_DATA))
async def test_a_key_without_scopes_opens_nothing(
    app: FastAPI, target: dict[str, str], route: str
) -> None:
    source = unique("source")
    nobody = await a_partner(app.state.resources.sessions, sources=(source,), scopes=())

    async with client_of(app, nobody.key) as client:
        answer = await send(client, route, **{**target, "source": source})

    if route == "POST /v1/estimates":  # nothing is recorded or read: it needs no scope
        assert answer.status_code == 200
    else:
        assert answer.status_code == 403, answer.text
        assert answer.json()["type"] == "/problems/scope-missing"


@pytest.mark.parametrize("route", sorted(EVENTS | ACTIONS))
async def test_another_partner_is_refused(
    rival: httpx.AsyncClient, target: dict[str, str], route: str
) -> None:
    answer = await send(rival, route, **target)

    assert answer.status_code == (404 if route in ACTIONS else 403), answer.text


async def test_another_partner_sees_none_of_ones_actions(
    rival: httpx.AsyncClient, target: dict[str, str]
) -> None:
    answer = await rival.get(f"/v1/people/{target['subject']}/actions")

    assert answer.json()["data"] == []


@pytest.mark.parametrize("route", CLOSED)
async def test_another_person_is_refused(
    person: Callable[[str], Any], target: dict[str, str], route: str
) -> None:
    async with person(unique("person")) as client:
        answer = await send(client, route, **target)

    assert answer.status_code == (404 if route in ACTIONS else 403), answer.text


async def test_nothing_happened_to_the_target(
    partner: httpx.AsyncClient, target: dict[str, str]
) -> None:
    action = (await partner.get(f"/v1/actions/{target['action_id']}")).json()
    statement = (await partner.get(f"/v1/people/{target['subject']}")).json()

    assert action["reversal"] is None
    assert statement["points"]["issued"] == 794


@pytest.mark.parametrize("route", sorted(PUBLIC - {"GET /v1/totals/stream"}))
async def test_public_routes_ask_for_nothing(public: httpx.AsyncClient, route: str) -> None:
    _, path = route.split()
    parts = {"methodology_id": "transit.metro", "version": "1.0.0", "code": "not-found"}

    answer = await public.get(path.format(project_id="none", **parts))

    assert answer.status_code == (404 if "project_id" in path else 200), answer.text

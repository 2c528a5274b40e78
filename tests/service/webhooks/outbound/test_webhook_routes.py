"""Endpoints over HTTP: made, shown, changed, deleted; secrets shown once; bad input explained."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import pytest
from builders import NewSettings, SteppedClock, a_partner, a_token, client_of, running_app
from fastapi import FastAPI
from webhook_receiver import MANAGER, an_endpoint, deliveries_of, delivering, receiving, shown

from service.webhooks.outbound.endpoint import ENDPOINTS_MAX
from service.webhooks.outbound.types import EVENT_TYPES, MESSAGES, example_of

URL = "https://shop.example/hooks"
PATH = "/v1/webhook-endpoints"
NOBODY = "01a201c6-1d2f-7a2d-8cf2-5a43cd251ba5"


@pytest.fixture(scope="module")
async def app(new_settings: NewSettings) -> AsyncIterator[FastAPI]:
    settings = await new_settings(webhook_loopback=True, projection_poll_seconds=0.02)
    async with running_app(settings, SteppedClock()) as running:
        yield running


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    merchant = await a_partner(app.state.runtime.resources.sessions, scopes=MANAGER)
    async with client_of(app, merchant.key) as client:
        yield client


async def test_the_secret_is_shown_once_and_stored_sealed(
    app: FastAPI, client: httpx.AsyncClient
) -> None:
    made = await an_endpoint(client, URL, types=["action.credited"], description="the till")
    again = await shown(client, made)
    listed = (await client.get(PATH)).json()["data"]

    assert made["secret"].startswith("whsec_")
    assert again == {name: value for name, value in made.items() if name != "secret"}
    assert listed == [again]
    assert again["enabled"]
    async with app.state.runtime.resources.pool.acquire() as connection:
        row = await connection.fetchrow(
            "SELECT * FROM webhook_endpoint WHERE endpoint_id = $1", made["endpoint_id"]
        )
    assert made["secret"].removeprefix("whsec_") not in str(dict(row))


async def test_an_ed25519_endpoint_shows_its_public_key_always(client: httpx.AsyncClient) -> None:
    made = await an_endpoint(client, URL, signing="ed25519")

    assert made["secret"] is None
    assert made["public_key"].startswith("whpk_")
    assert (await shown(client, made))["public_key"] == made["public_key"]
    rotated = (await client.post(f"{PATH}/{made['endpoint_id']}/rotate")).json()
    assert rotated["public_key"] != made["public_key"]


async def test_making_one_twice_with_one_key_makes_one(
    app: FastAPI, client: httpx.AsyncClient
) -> None:
    body = {"url": URL, "types": ["action.credited"]}
    headers = {"Idempotency-Key": "make-1"}
    first = await client.post(PATH, json=body, headers=headers)
    second = await client.post(PATH, json=body, headers=headers)
    other = await client.post(PATH, json={**body, "url": URL + "2"}, headers=headers)

    assert {**first.json(), "secret": None} == second.json()  # a repeat tells no secret again
    assert second.headers["Idempotent-Replayed"] == "true"
    assert other.json()["type"] == "/problems/idempotency-key-reused"
    assert len((await client.get(PATH)).json()["data"]) == 1
    secret = first.json()["secret"]
    assert secret.startswith("whsec_")
    async with app.state.runtime.resources.pool.acquire() as connection:
        for row in await connection.fetch("SELECT body FROM stored_answer"):
            assert b"whsec_" not in row["body"]


async def test_an_endpoint_is_changed_and_deleted(client: httpx.AsyncClient) -> None:
    made = await an_endpoint(client, URL)
    path = f"{PATH}/{made['endpoint_id']}"
    wanted = {"types": ["order.placed"], "batch_max": 5, "description": "x", "url": URL + "/b"}
    changed = await client.patch(path, json=wanted)

    assert changed.status_code == 200
    assert wanted.items() <= changed.json().items()
    assert (await client.delete(path)).status_code == 204
    assert (await client.delete(path)).status_code == 404
    assert (await client.get(path)).json()["type"] == "/problems/endpoint-not-found"


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"url": "http://shop.example/"}, "/url"),
        ({"url": "https://10.0.0.1/"}, "/url"),
        ({"url": "https://user:pass@shop.example/"}, "/url"),
        ({"url": ""}, "/body/url"),
        ({"url": URL, "types": []}, "/body/types"),
        ({"url": URL, "types": ["action.deleted"]}, "/body/types/0"),
        ({"url": URL, "signing": "rsa"}, "/body/signing"),
        ({"url": URL, "batch_max": 0}, "/body/batch_max"),
        ({"url": URL, "batch_max": 101}, "/body/batch_max"),
        ({"url": URL, "secret": "whsec_mine"}, "/body/secret"),
    ],
)
async def test_what_is_wrong_is_named(
    client: httpx.AsyncClient, body: dict[str, Any], pointer: str
) -> None:
    answer = await client.post(PATH, json={"types": ["action.credited"], **body})

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == pointer
    assert (await client.get(PATH)).json()["data"] == []


async def test_a_change_is_checked_too(client: httpx.AsyncClient) -> None:
    path = f"{PATH}/{(await an_endpoint(client, URL))['endpoint_id']}"

    for body in ({}, {"url": "https://x@shop.example/"}, {"types": []}, {"types": None}):
        assert (await client.patch(path, json=body)).status_code == 422, body
    for body in ({}, {"to": "2026-01-01T00:00:00Z"}, {"from": "2026-01-01T00:00:00"}):
        assert (await client.post(f"{path}/redeliver", json=body)).status_code == 422, body
    assert (await client.post(f"{path}/test", json={"type": "nothing"})).status_code == 422
    assert (await client.get(f"{path}/deliveries?state=lost")).status_code == 422
    assert (await client.get(f"{path}/deliveries?cursor=x")).status_code == 422


async def test_another_partners_endpoints_are_not_there(
    app: FastAPI, client: httpx.AsyncClient
) -> None:
    made = await an_endpoint(client, URL)
    path = f"{PATH}/{made['endpoint_id']}"
    test = (await client.post(f"{path}/test")).json()["delivery_id"]
    rival = await a_partner(app.state.runtime.resources.sessions, scopes=MANAGER)

    async with client_of(app, rival.key) as other:
        assert (await other.get(PATH)).json()["data"] == []
        for verb, address in (
            ("GET", path), ("PATCH", path), ("DELETE", path), ("POST", f"{path}/rotate"),
            ("POST", f"{path}/test"), ("GET", f"{path}/deliveries"), ("POST", f"{path}/redeliver"),
            ("POST", f"/v1/deliveries/{test}/redeliver"),
            ("POST", f"/v1/deliveries/{NOBODY}/redeliver"),
        ):  # fmt: skip
            body = {"enabled": True} if verb == "PATCH" else {"failed": True}
            more = {} if verb in ("GET", "DELETE") or "test" in address else {"json": body}
            assert (await other.request(verb, address, **more)).status_code == 404, (verb, address)


async def test_webhooks_need_their_scope(app: FastAPI, home: Path) -> None:
    usual = await a_partner(app.state.runtime.resources.sessions)
    async with client_of(app, usual.key) as partner:
        assert (await partner.get(PATH)).json()["type"] == "/problems/scope-missing"
    async with client_of(app, a_token(home, "alice")) as person:
        assert (await person.get(PATH)).status_code == 403
    async with client_of(app) as public:
        assert (await public.get(PATH)).status_code == 401
        assert (await public.get("/v1/webhook-types")).status_code == 200


async def test_a_partner_has_a_bounded_number_of_endpoints(client: httpx.AsyncClient) -> None:
    for _ in range(ENDPOINTS_MAX):
        await an_endpoint(client, URL)
    answer = await client.post(PATH, json={"url": URL, "types": ["order.placed"]})

    assert answer.status_code == 409
    assert answer.json()["type"] == "/problems/endpoints-full"


@pytest.mark.parametrize("name", [*EVENT_TYPES, "action.batch", "endpoint.test"])
async def test_an_example_of_any_type_can_be_sent(
    app: FastAPI, client: httpx.AsyncClient, name: str
) -> None:
    async with receiving() as shop, delivering(app):
        made = await an_endpoint(client, shop.url, types=["order.placed"])
        queued = await client.post(f"{PATH}/{made['endpoint_id']}/test", json={"type": name})
        (got,) = await shop.until(1)

    assert queued.status_code == 202
    assert got.id == queued.json()["delivery_id"]
    assert got.message["type"] == name
    jsonschema.validate(
        got.message, (await client.get(f"/v1/webhook-types/{name}")).json()["json_schema"]
    )
    (delivery,) = await deliveries_of(client, made)
    assert delivery["type"] == name


async def test_every_example_is_as_its_schema_says(client: httpx.AsyncClient) -> None:
    types = (await client.get("/v1/webhook-types")).json()["data"]

    assert {one["type"] for one in types} == set(MESSAGES)
    for one in types:
        jsonschema.Draft202012Validator.check_schema(one["json_schema"])
        jsonschema.validate(one["example"], one["json_schema"])
        assert one["example"] == example_of(one["type"])
    assert (await client.get("/v1/webhook-types/no.such")).status_code == 404


async def test_the_openapi_document_describes_what_is_sent(app: FastAPI) -> None:
    document = app.openapi()

    assert set(document["webhooks"]) == set(MESSAGES)
    for described in document["webhooks"].values():
        content = described["post"]["requestBody"]["content"]["application/json"]
        name = content["schema"]["$ref"].rpartition("/")[2]
        schema = {**document["components"]["schemas"][name], "components": document["components"]}
        jsonschema.validate(content["example"], schema)

"""What comes of a key: successors, keys that it made, connectors and endpoints made with it."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx
import pytest
from builders import NOW, APartner, SteppedClock, a_partner, client_of, unique
from fastapi import FastAPI

from service.webhooks.outbound.endpoint import UNANSWERED
from service.webhooks.signing import signed_headers
from workers.deliveries import stop_endpoints

MANAGES = ("events:write", "actions:read", "webhooks:manage", "keys:manage")


def prefix_of(key: str) -> str:
    return key.removeprefix("sx_").partition("_")[0]


@pytest.fixture
async def shop(app: FastAPI) -> APartner:
    """A partner whose key may change keys, and expires in a day."""
    sessions = app.state.runtime.resources.sessions
    return await a_partner(
        sessions, sources=(unique("s"),), scopes=MANAGES, expires_at=NOW + timedelta(days=1)
    )


@pytest.fixture
async def own(app: FastAPI, shop: APartner) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(app, shop.key) as client:
        yield client


async def another(app: FastAPI, shop: APartner, *scopes: str) -> APartner:
    sessions = app.state.runtime.resources.sessions
    return await a_partner(sessions, name=shop.name, scopes=scopes)


async def rotated(client: httpx.AsyncClient, key: str, **how: object) -> dict[str, Any]:
    answer = await client.post(f"/v1/partner/keys/{prefix_of(key)}/rotation", json=how)
    assert answer.status_code == 201, answer.text
    return answer.json()


async def status_of(app: FastAPI, key: str) -> int:
    async with client_of(app, key) as client:
        return (await client.get("/v1/partner")).status_code


async def test_a_successor_ends_when_its_predecessor_would_have(
    app: FastAPI, own: httpx.AsyncClient, shop: APartner, clock: SteppedClock
) -> None:
    successor = await rotated(own, shop.key, overlap_hours=1, days=30)

    clock.advance(hours=2)
    during = await status_of(app, successor["key"])
    clock.advance(hours=22)
    after = await status_of(app, successor["key"])

    assert successor["expires_at"] == "2026-06-16T04:00:00Z"
    assert (during, after) == (200, 401)


async def test_a_rotation_that_was_lost_is_done_again_with_the_same_end(
    app: FastAPI, own: httpx.AsyncClient, shop: APartner
) -> None:
    lost = await rotated(own, shop.key, overlap_hours=1)
    await own.delete(f"/v1/partner/keys/{lost['prefix']}")

    again = await rotated(own, shop.key, overlap_hours=1)

    assert again["expires_at"] == lost["expires_at"]


async def test_revoking_a_key_revokes_all_that_came_of_it_and_says_so(
    app: FastAPI, own: httpx.AsyncClient, shop: APartner, clock: SteppedClock
) -> None:
    second = await rotated(own, shop.key, overlap_hours=1)
    clock.advance(hours=2)
    async with client_of(app, second["key"]) as client:
        third = await rotated(client, second["key"])
        made = (await client.post("/v1/partner/keys", json={"scopes": ["actions:read"]})).json()
    sibling = await another(app, shop, "keys:manage", *MANAGES)

    async with client_of(app, sibling.key) as client:  # the first has ended, and is revoked still
        answer = await client.delete(f"/v1/partner/keys/{prefix_of(shop.key)}")
        again = await client.delete(f"/v1/partner/keys/{prefix_of(shop.key)}")

    revoked = answer.json()["revoked"]
    assert revoked[0] == prefix_of(shop.key)
    assert set(revoked[1:]) == {second["prefix"], third["prefix"], made["prefix"]}
    assert [await status_of(app, one["key"]) for one in (second, third, made)] == [401] * 3
    assert (again.status_code, await status_of(app, sibling.key)) == (404, 200)


@pytest.mark.parametrize("scopes", [("actions:read",), ("events:write", "webhooks:manage")])
async def test_a_key_that_may_not_change_keys_touches_none(
    app: FastAPI, shop: APartner, scopes: tuple[str, ...]
) -> None:
    weak = await another(app, shop, *scopes)
    path = f"/v1/partner/keys/{prefix_of(shop.key)}"

    async with client_of(app, weak.key) as client:
        answers = [
            await client.get("/v1/partner/keys"),
            await client.post("/v1/partner/keys", json={"scopes": ["actions:read"]}),
            await client.post(f"{path}/rotation"),
            await client.delete(path),
        ]

    assert [one.status_code for one in answers] == [403] * 4
    assert await status_of(app, shop.key) == 200


async def test_a_key_makes_no_key_that_can_do_more_or_lives_longer(
    app: FastAPI, own: httpx.AsyncClient
) -> None:
    more = await own.post("/v1/partner/keys", json={"scopes": ["events:backfill"]})
    staff = await own.post("/v1/partner/keys", json={"scopes": ["admin"]})
    made = await own.post("/v1/partner/keys", json={"scopes": ["actions:read"], "days": 365})
    keys = (await own.get("/v1/partner/keys")).json()["data"]

    listed = {key["prefix"]: key for key in keys}[made.json()["prefix"]]
    assert (more.status_code, staff.status_code, made.status_code) == (403, 403, 201)
    assert listed["expires_at"] == "2026-06-16T04:00:00Z"
    assert listed["made_by"] is not None


async def a_connector(client: httpx.AsyncClient, shop: APartner) -> dict[str, Any]:
    wanted = {"template": "food-order", "source": shop.sources[0]}
    answer = await client.post("/v1/connectors", json=wanted)
    assert answer.status_code == 201, answer.text
    return answer.json()


async def send(app: FastAPI, connector: dict[str, Any], clock: SteppedClock) -> httpx.Response:
    order = {
        "id": unique("order"), "status": "delivered", "cutlery_sets": 0, "guests": 1,
        "delivered_at": "2026-06-15T08:30:00+08:00", "customer": {"id": unique("c")},
        "restaurant": {"country": "CN"},
    }  # fmt: skip
    body = json.dumps({"order": order}).encode()
    headers = signed_headers(
        [connector["secret"]], message_id=unique("msg"), timestamp=clock.now, body=body
    )
    async with client_of(app) as client:
        return await client.post(connector["path"], content=body, headers=headers)


def problem(answer: httpx.Response) -> str:
    return str(answer.json()["type"]).rpartition("/")[2]


async def test_a_connector_stops_with_its_key_until_another_confirms_it(
    app: FastAPI, own: httpx.AsyncClient, shop: APartner, clock: SteppedClock
) -> None:
    connector = await a_connector(own, shop)
    sibling = await another(app, shop, *MANAGES)
    weak = await another(app, shop, "webhooks:manage")
    path = f"/v1/connectors/{connector['connector_id']}/confirm"

    before = await send(app, connector, clock)
    async with client_of(app, sibling.key) as client, client_of(app, weak.key) as other:
        await client.delete(f"/v1/partner/keys/{prefix_of(shop.key)}")
        app.state.runtime.hooks.connectors.forget(connector["connector_id"])
        stopped = await send(app, connector, clock)
        log = (await client.get(f"{path.removesuffix('confirm')}deliveries")).json()["data"]
        refused = await other.post(path)
        confirmed = await client.post(path)
        after = await send(app, connector, clock)

    assert before.json()["counts"] == after.json()["counts"] == {"credited": 1}
    assert (stopped.status_code, problem(stopped)) == (403, "connector-unconfirmed")
    assert sorted(row["state"] for row in log) == ["accepted", "rejected"]
    assert refused.status_code == 403
    assert confirmed.json()["key"] == prefix_of(sibling.key)


async def test_a_connector_ends_with_its_key_and_lives_on_with_its_successor(
    app: FastAPI, own: httpx.AsyncClient, shop: APartner, clock: SteppedClock
) -> None:
    connector = await a_connector(own, shop)
    await rotated(own, shop.key, overlap_hours=1)

    clock.advance(hours=2)  # the first key has ended
    by_successor = await send(app, connector, clock)
    clock.advance(hours=23)  # both have
    ended = await send(app, connector, clock)

    assert by_successor.status_code == 200, by_successor.text
    assert (ended.status_code, problem(ended)) == (403, "connector-unconfirmed")


async def test_an_endpoint_stops_with_its_key_until_another_confirms_it(
    app: FastAPI, own: httpx.AsyncClient, shop: APartner
) -> None:
    wanted = {"url": "https://shop.example/hooks", "types": ["action.credited"]}
    made = (await own.post("/v1/webhook-endpoints", json=wanted)).json()
    sibling = await another(app, shop, *MANAGES)
    path, resources = f"/v1/webhook-endpoints/{made['endpoint_id']}", app.state.runtime.resources

    async with client_of(app, sibling.key) as client:
        await stop_endpoints(resources, resources.sessions)
        before = (await client.get(path)).json()
        await client.delete(f"/v1/partner/keys/{prefix_of(shop.key)}")
        await stop_endpoints(resources, resources.sessions)
        stopped = (await client.get(path)).json()
        confirmed = (await client.post(f"{path}/confirm")).json()
        await stop_endpoints(resources, resources.sessions)
        after = (await client.get(path)).json()

    assert (before["enabled"], before["key"]) == (True, prefix_of(shop.key))
    assert (stopped["enabled"], stopped["disabled_reason"]) == (False, UNANSWERED)
    assert confirmed["enabled"] is after["enabled"] is True
    assert after["key"] == prefix_of(sibling.key)


async def test_two_who_revoke_at_once_agree(
    app: FastAPI, own: httpx.AsyncClient, shop: APartner
) -> None:
    made = [
        (await own.post("/v1/partner/keys", json={"scopes": ["actions:read"]})).json()
        for _ in range(2)
    ]

    answers = await asyncio.gather(
        *(own.delete(f"/v1/partner/keys/{key['prefix']}") for key in (*made, *made))
    )

    assert sorted(one.status_code for one in answers) == [200, 200, 404, 404]

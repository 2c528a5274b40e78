"""Merchants' own messages: verified, mapped, counted once; what is wrong with them is told."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from builders import (
    NOW,
    USUAL,
    SteppedClock,
    a_partner,
    an_event,
    client_of,
    report,
    unique,
)
from fastapi import FastAPI

from service.webhooks.signing import new_ed25519, new_secret, signed_headers

PAYLOADS = Path(__file__).parents[3] / "payloads"
MANAGE = (*USUAL, "webhooks:manage")
ORDER: dict[str, Any] = json.loads((PAYLOADS / "food-order.json").read_text())
SIMPLE = {
    "name": "Simple",
    "source": "",
    "rules": [
        {
            "name": "ride",
            "items": "rides",
            "when": "item.done",
            "event": {
                "id": "item.id",
                "time": "item.at",
                "subject": "item.who",
                "type": "'transit.metro'",
                "data": {"distance_km": "item.km", "trip_id": "item.id", "region": "'CN'"},
            },
        },
        {
            "name": "undone",
            "items": "undone || `[]`",
            "reversal": {"id": "item.id", "subject": "item.who"},
        },
    ],
}


@dataclass
class Merchant:
    """A partner with a connector, and its secret."""

    client: httpx.AsyncClient
    connector: dict[str, Any]
    secret: str
    source: str

    @property
    def path(self) -> str:
        return self.connector["path"]

    @property
    def own(self) -> str:
        return f"/v1/connectors/{self.connector['connector_id']}"

    async def post(
        self, body: bytes | object, *, name: str | None = None, secret: str = "", at: Any = NOW
    ) -> httpx.Response:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = signed_headers(
            [secret or self.secret], message_id=name or unique("msg"), timestamp=at, body=content
        )
        return await self.send(content, headers)

    async def send(self, content: bytes, headers: Mapping[str, str]) -> httpx.Response:
        """As a merchant's system calls: without our key."""
        request = self.client.build_request("POST", self.path, content=content, headers=headers)
        request.headers.pop("authorization", None)
        return await self.client.send(request)

    async def log(self, what: str = "deliveries") -> list[dict[str, Any]]:
        answer = await self.client.get(f"{self.own}/{what}")
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]


NewMerchant = Callable[..., Awaitable[Merchant]]


@pytest.fixture
async def new_merchant(app: FastAPI) -> AsyncIterator[NewMerchant]:
    clients = []

    async def make(template: str | None = "food-order", **given: Any) -> Merchant:
        source = unique("source")
        partner = await a_partner(
            app.state.runtime.resources.sessions, sources=(source,), scopes=MANAGE
        )
        client = client_of(app, partner.key)
        clients.append(client)
        body = {"template": template, "source": source, **given}
        if template is None:
            body["config"] = {**given["config"], "source": source}
        answer = await client.post("/v1/connectors", json=body)
        assert answer.status_code == 201, answer.text
        made = answer.json()
        return Merchant(client, made, made["secret"] or given.get("secret", ""), source)

    yield make
    for client in clients:
        await client.aclose()


def an_order_of(status: str = "delivered", **changes: object) -> dict[str, Any]:
    order = {**ORDER["order"], "id": unique("order"), "status": status, **changes}
    return {"order": {**order, "customer": {"id": changes.get("who", unique("person"))}}}


@pytest.mark.parametrize(
    ("template", "counts", "skipped", "avoided_mg"),
    [
        ("food-order", {"credited": 1}, 1, ["12521"]),
        ("shop-invoice", {"zero": 1}, 1, ["0"]),
        ("parcel-dropoff", {"credited": 2}, 1, ["60680", "30340"]),
        ("ride", {"credited": 1}, 1, ["138697"]),
    ],
)
async def test_a_ready_made_connector_reads_its_payload(
    new_merchant: NewMerchant,
    template: str,
    counts: dict[str, int],
    skipped: int,
    avoided_mg: list[str],
) -> None:
    told = json.loads((PAYLOADS / f"{template}.headers.json").read_text())
    body = (PAYLOADS / f"{template}.json").read_bytes()
    merchant = await new_merchant(template, secret=told["secret"])
    # The payload's ids are fixed, and one ride is credited once whoever reports it: so is the test.

    first = await merchant.send(body, told["headers"])
    again = await merchant.send(body, told["headers"])

    assert first.status_code == 200, first.text
    answer = first.json()
    assert (answer["counts"], answer["skipped"]) == (counts, skipped)
    assert [row["avoided_mg"] for row in answer["results"]] == avoided_mg
    assert again.content == first.content
    assert again.headers["idempotent-replayed"] == "true"
    assert [row["state"] for row in await merchant.log()] == ["accepted"]


async def test_both_kinds_of_signature_and_several_secrets_are_taken(
    new_merchant: NewMerchant,
) -> None:
    pair, merchant = new_ed25519(), await new_merchant()
    added = await merchant.client.post(f"{merchant.own}/secrets", json={"secret": pair.public})

    answers = [
        await merchant.post(an_order_of(), secret=secret)
        for secret in (merchant.secret, pair.private)
    ]
    await merchant.client.delete(f"{merchant.own}/secrets")
    after = [
        await merchant.post(an_order_of(), secret=secret)
        for secret in (merchant.secret, pair.private)
    ]

    assert (added.json()["secrets"], added.json()["secret"]) == (2, None)
    assert [answer.status_code for answer in answers] == [200, 200]
    assert [answer.status_code for answer in after] == [401, 200]


async def test_an_order_with_cutlery_is_skipped(new_merchant: NewMerchant) -> None:
    merchant = await new_merchant()

    answer = await merchant.post(an_order_of(cutlery_sets=2))

    assert (answer.status_code, answer.json()["results"]) == (200, [])
    assert answer.json()["skipped"] == 2


async def test_a_refund_takes_the_order_back_once(new_merchant: NewMerchant) -> None:
    merchant = await new_merchant()
    order = an_order_of()
    refund = {"order": {**order["order"], "status": "refunded"}}
    credited = (await merchant.post(order)).json()["results"][0]

    first = (await merchant.post(refund)).json()["results"][0]
    again = (await merchant.post(refund)).json()["results"][0]
    action = (await merchant.client.get(f"/v1/actions/{credited['action_id']}")).json()

    assert first["outcome"] == "reversed"
    assert (first["avoided_mg"], first["points"]) == ("12521", 12)
    assert (first["duplicate"], again["duplicate"]) == (False, True)
    assert action["reversal"]["reason"] == "refunded"


async def test_a_refund_of_what_never_counted_is_nothing(new_merchant: NewMerchant) -> None:
    merchant = await new_merchant()

    answer = (await merchant.post(an_order_of("cancelled"))).json()

    assert [row["outcome"] for row in answer["results"]] == ["nothing_to_reverse"]
    assert await merchant.log("quarantine") == []


def a_ride(**changes: object) -> dict[str, Any]:
    ride = {"id": unique("ride"), "at": "2026-06-15T08:30:00+08:00", "who": unique("person")}
    return {**ride, "km": 12.4, "done": True, **changes}


async def test_an_order_reported_as_an_event_is_found_by_its_person(
    new_merchant: NewMerchant,
) -> None:
    merchant = await new_merchant(None, config=SIMPLE)
    ride = a_ride()
    event = {
        "specversion": "1.0", "id": ride["id"], "source": merchant.source, "type": "transit.metro",
        "subject": ride["who"], "time": ride["at"],
        "data": {"distance_km": "12.4", "trip_id": ride["id"], "region": "CN"},
    }  # fmt: skip
    recorded = await merchant.client.post("/v1/events", json=event)

    answer = await merchant.post({"rides": [], "undone": [ride]})

    assert recorded.status_code == 201, recorded.text
    assert answer.json()["results"][0]["action_id"] == recorded.json()["action_id"]


async def test_a_refund_that_comes_first_is_replayed_later(new_merchant: NewMerchant) -> None:
    merchant = await new_merchant(None, config=SIMPLE)
    ride = a_ride()

    early = await merchant.post({"rides": [], "undone": [ride]})
    await merchant.post({"rides": [ride]})
    waiting = await merchant.log("quarantine")
    replayed = await merchant.client.post(f"{merchant.own}/replay", json={})

    assert (early.status_code, early.json()["type"]) == (404, "/problems/action-not-found")
    assert len(waiting) == 1
    assert replayed.json()["results"][0]["answer"]["counts"] == {"reversed": 1}
    assert replayed.json()["more"] is False
    assert await merchant.log("quarantine") == []


async def test_numbers_reach_the_sum_as_they_were_written(new_merchant: NewMerchant) -> None:
    merchant = await new_merchant(None, config=SIMPLE)
    body = json.dumps({"rides": [a_ride(km="KM")]}).replace('"KM"', "12.4000")

    result = (await merchant.post(body.encode())).json()["results"][0]
    action = (await merchant.client.get(f"/v1/actions/{result['action_id']}")).json()

    assert action["data"]["distance_km"] == "12.4000"  # as a float it would be 12.4


async def test_the_same_id_with_another_body_is_a_conflict(new_merchant: NewMerchant) -> None:
    merchant = await new_merchant()
    name = unique("msg")
    await merchant.post(an_order_of(), name=name)

    answer = await merchant.post(an_order_of(), name=name)

    assert (answer.status_code, answer.json()["type"]) == (409, "/problems/message-conflict")
    assert sorted(row["state"] for row in await merchant.log()) == ["accepted", "rejected"]


async def test_one_message_sent_ten_times_at_once_is_counted_once(
    new_merchant: NewMerchant,
) -> None:
    merchant = await new_merchant()
    order, name = an_order_of(), unique("msg")

    answers = await asyncio.gather(*(merchant.post(order, name=name) for _ in range(10)))
    rows = [answer.json()["results"][0] for answer in answers]

    assert {row["action_id"] for row in rows} == {rows[0]["action_id"]}
    assert len([row for row in rows if not row["duplicate"]]) >= 1
    assert len(await merchant.log()) == 1


@pytest.mark.parametrize(
    ("how", "status", "code"),
    [
        ({"secret": new_secret()}, 401, "signature-invalid"),
        ({"at": NOW.replace(year=2025)}, 401, "delivery-too-old"),
    ],
)
async def test_a_message_that_is_not_the_merchants_is_refused_and_shown(
    new_merchant: NewMerchant, how: dict[str, Any], status: int, code: str
) -> None:
    merchant = await new_merchant()

    answer = await merchant.post(an_order_of(), **how)
    (shown,) = await merchant.log()

    assert (answer.status_code, answer.json()["type"]) == (status, f"/problems/{code}")
    assert (shown["state"], shown["status"]) == ("rejected", status)
    assert shown["answer"]["type"] == f"/problems/{code}"


@pytest.mark.parametrize("missing", ["webhook-id", "webhook-timestamp", "webhook-signature"])
@pytest.mark.parametrize("value", [None, "", "\xff\xfe", "v1,", "1" * 9_000, "a.b"])
async def test_malformed_headers_are_401(
    new_merchant: NewMerchant, missing: str, value: str | None
) -> None:
    merchant = await new_merchant()
    headers: dict[str, Any] = signed_headers(
        [merchant.secret], message_id="m", timestamp=NOW, body=b"{}"
    )
    headers = {**headers, missing: value} if value is not None else headers
    if value is None:
        del headers[missing]

    answer = await merchant.send(b"{}", {k: v.encode("latin-1") for k, v in headers.items()})

    assert answer.status_code == 401, answer.text


@pytest.mark.parametrize(
    ("signature", "code"),
    [
        (None, "signature-header-malformed"),
        ("", "signature-header-malformed"),
        ("sha256=zz", "signature-header-malformed"),
        ("sha1=" + "0" * 40, "signature-header-malformed"),
        ("sha256=" + "0" * 64, "signature-invalid"),
        ("sha256=\xff", "signature-header-malformed"),
    ],
)
async def test_a_bad_signature_over_the_body_is_401(
    new_merchant: NewMerchant, signature: str | None, code: str
) -> None:
    merchant = await new_merchant("ride", secret="It's a Secret to Everybody")
    headers = {"X-GitHub-Delivery": "1"}
    if signature is not None:
        headers["X-Hub-Signature-256"] = signature

    answer = await merchant.send(b"{}", {k: v.encode("latin-1") for k, v in headers.items()})

    assert (answer.status_code, answer.json()["type"]) == (401, f"/problems/{code}")


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 400, "body-not-json"),
        (b"{", 400, "body-not-json"),
        (b"\xff", 400, "body-not-json"),
        (b'{"order": NaN}', 400, "body-not-json"),
        (b'{"order": ' + b"9" * 5_000 + b"}", 400, "body-not-json"),
        (b"[" * 200_000, 400, "body-not-json"),
        (b"[]", 422, "payload-not-mapped"),
        (b"null", 422, "payload-not-mapped"),
        (b'"text"', 422, "payload-not-mapped"),
        (b'{"rides": {}}', 422, "payload-not-mapped"),
        (b'{"rides": [{"done": true}]}', 422, "payload-not-mapped"),
        (b'{"rides": [1, 2]}', 200, None),
        (b'{"rides": []}', 200, None),
        (json.dumps({"rides": [{"done": False}] * 1_001}).encode(), 413, "batch-too-large"),
    ],
)
async def test_a_bad_payload_is_told_kept_and_nothing_recorded(
    new_merchant: NewMerchant, body: bytes, status: int, code: str | None
) -> None:
    merchant = await new_merchant(None, config=SIMPLE)

    answer = await merchant.post(body)
    (shown,) = await merchant.log()

    assert answer.status_code == status, answer.text
    assert answer.json().get("type") == (code and f"/problems/{code}")
    assert shown["in_quarantine"] is (code is not None)
    assert shown["answer"] == answer.json()


async def test_five_mebibytes_are_refused_and_shown(new_merchant: NewMerchant) -> None:
    merchant = await new_merchant()

    answer = await merchant.post(b'"' + b"x" * (5 * 1024 * 1024) + b'"')
    (shown,) = await merchant.log()

    assert (answer.status_code, shown["status"]) == (413, 413)
    assert (shown["state"], shown["in_quarantine"]) == ("rejected", False)


async def test_what_finds_nothing_is_pointed_at(new_merchant: NewMerchant) -> None:
    merchant = await new_merchant(None, config=SIMPLE)

    answer = (await merchant.post({"rides": [{"done": True, "id": {"a": 1}}]})).json()

    assert {error["pointer"]: error["detail"] for error in answer["errors"]} == {
        "/rules/0/event/id": "finds an object with 1 names; a text or number is needed",
        "/rules/0/event/time": "finds nothing in this payload",
        "/rules/0/event/subject": "finds nothing in this payload",
        "/rules/0/event/data/trip_id": "finds an object with 1 names; a text or number is needed",
    }


async def test_one_bad_event_of_many_does_not_stop_the_others(new_merchant: NewMerchant) -> None:
    merchant = await new_merchant(None, config=SIMPLE)
    rides = [a_ride(), a_ride(km="far"), a_ride()]

    answer = (await merchant.post({"rides": rides})).json()
    (kept,) = await merchant.log("quarantine")

    assert answer["counts"] == {"credited": 2, "problem": 1}
    assert answer["quarantined"] is True
    assert answer["results"][1]["problem"]["errors"][0]["pointer"] == "/data/distance_km"
    assert kept["delivery_id"] == answer["delivery_id"]


async def test_a_mended_mapping_replays_what_failed(new_merchant: NewMerchant) -> None:
    wrong = json.loads(json.dumps(SIMPLE).replace("item.km", "item.distance"))
    merchant = await new_merchant(None, config=wrong)
    failed = [await merchant.post({"rides": [a_ride()]}) for _ in range(3)]
    quarantined = await merchant.log("quarantine")
    mended = {**SIMPLE, "source": merchant.source}
    changed = await merchant.client.put(merchant.own, json={"config": mended})

    one = {"delivery_id": quarantined[0]["delivery_id"]}
    first = await merchant.client.post(f"{merchant.own}/replay", json=one)
    rest = await merchant.client.post(f"{merchant.own}/replay", json={})

    assert [answer.status_code for answer in failed] == [422] * 3
    assert len(quarantined) == 3
    assert changed.json()["version"] == 2
    assert [row["status"] for row in first.json()["results"]] == [200]
    assert [row["answer"]["counts"] for row in rest.json()["results"]] == [{"credited": 1}] * 2
    assert await merchant.log("quarantine") == []
    assert {row["version"] for row in await merchant.log()} == {2}
    assert [row["version"] for row in await merchant.log("versions")] == [2, 1]


async def test_a_failed_message_that_is_sent_again_is_mapped_again(
    new_merchant: NewMerchant,
) -> None:
    wrong = json.loads(json.dumps(SIMPLE).replace("item.km", "item.distance"))
    merchant = await new_merchant(None, config=wrong)
    body, name = {"rides": [a_ride()]}, unique("msg")
    await merchant.post(body, name=name)
    mended = {**SIMPLE, "source": merchant.source}
    await merchant.client.put(merchant.own, json={"config": mended})

    answer = await merchant.post(body, name=name)

    assert answer.json()["counts"] == {"credited": 1}
    assert len(await merchant.log()) == 1


async def test_payloads_in_quarantine_are_not_in_the_clear(
    app: FastAPI, new_merchant: NewMerchant
) -> None:
    merchant = await new_merchant(None, config=SIMPLE)
    await merchant.post({"rides": [{"done": True, "who": "Wang Xiaoming"}]})

    query = "SELECT payload FROM hook_delivery WHERE connector_id = $1"
    async with app.state.runtime.resources.pool.acquire() as connection:
        payload = await connection.fetchval(query, merchant.connector["connector_id"])

    assert payload
    assert b"Wang" not in payload


async def test_a_try_shows_each_field_and_records_nothing(new_merchant: NewMerchant) -> None:
    merchant = await new_merchant(None, config=SIMPLE)
    ride = a_ride()

    answer = await merchant.client.post(f"{merchant.own}/try", json={"rides": [ride]})
    statement = await merchant.client.get(f"/v1/people/{ride['who']}")

    (seen,) = answer.json()["items"]
    values = {one["pointer"]: one["value"] for one in seen["fields"]}
    assert seen["applies"] is True
    assert values["/rules/0/when"] is True
    assert values["/rules/0/event/id"] == ride["id"]
    assert values["/rules/0/event/data/distance_km"] == "12.4"
    assert seen["event"]["subject"] == ride["who"]
    assert seen["estimate"]["avoided_mg"] == "794592"
    assert statement.json()["carbon"]["actions"] == 0
    assert await merchant.log() == []


async def test_a_try_of_a_bad_payload_is_no_fault(new_merchant: NewMerchant) -> None:
    merchant = await new_merchant(None, config=SIMPLE)
    rides = [{"done": True, "id": "\ud800"}, a_ride(km="far"), {"done": False}]

    answer = await merchant.client.post(f"{merchant.own}/try", content=json.dumps({"rides": rides}))

    assert answer.status_code == 200, answer.text
    bad, flawed, skipped = answer.json()["items"]
    assert bad["errors"]
    assert flawed["estimate"]["problem"]["type"] == "/problems/fields-invalid"
    assert skipped["applies"] is False


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"rules": []}, "/config/rules"),
        ({"rules": [{"name": "x"}]}, "/config/rules/0"),
        ({"rules": [{**SIMPLE["rules"][0], "when": "a ||"}]}, "/config/rules/0/when"),
        ({"rules": [{**SIMPLE["rules"][0], "items": "f(@)"}]}, "/config/rules/0/items"),
        ({"rules": [{**SIMPLE["rules"][0], "extra": 1}]}, "/config/rules/0/extra"),
        ({"signature": {"kind": "none"}}, "/config/signature"),
        ({"name": ""}, "/config/name"),
    ],
)
async def test_a_bad_configuration_is_pointed_at(
    new_merchant: NewMerchant, change: dict[str, Any], pointer: str
) -> None:
    merchant = await new_merchant()
    config = {**SIMPLE, "source": merchant.source, **change}

    answer = await merchant.client.post("/v1/connectors", json={"config": config})

    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"][0]["pointer"].startswith(pointer)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "fields-invalid"),
        ({"template": "none", "source": "x"}, "fields-invalid"),
        ({"template": "ride"}, "fields-invalid"),
        ({"template": "ride", "source": "metro"}, "source-not-yours"),
        ({"template": "food-order", "secret": "short"}, "fields-invalid"),
        ({"template": "food-order", "secret": new_ed25519().private}, "fields-invalid"),
        ({"template": "ride", "secret": "short"}, "fields-invalid"),
    ],
)
async def test_a_connector_that_cannot_be_is_not_made(
    new_merchant: NewMerchant, body: dict[str, Any], code: str
) -> None:
    merchant = await new_merchant()
    if "secret" in body:
        body = {**body, "source": merchant.source}

    answer = await merchant.client.post("/v1/connectors", json=body)

    assert answer.json()["type"] == f"/problems/{code}", answer.text


async def test_making_one_twice_with_a_key_makes_one_and_hides_the_secret(
    app: FastAPI, new_merchant: NewMerchant
) -> None:
    merchant = await new_merchant()
    body = {"template": "food-order", "source": merchant.source}
    headers = {"Idempotency-Key": unique("key")}

    first = await merchant.client.post("/v1/connectors", json=body, headers=headers)
    again = await merchant.client.post("/v1/connectors", json=body, headers=headers)

    assert first.json()["connector_id"] == again.json()["connector_id"]
    assert (bool(first.json()["secret"]), again.json()["secret"]) == (True, None)
    assert len((await merchant.client.get("/v1/connectors")).json()["data"]) == 2


async def test_nobody_sees_anothers_connector(new_merchant: NewMerchant, app: FastAPI) -> None:
    merchant, other = await new_merchant(), await new_merchant()

    answers = [
        await other.client.get(merchant.own),
        await other.client.put(merchant.own, json={"config": {**SIMPLE, "source": other.source}}),
        await other.client.delete(merchant.own),
        await other.client.post(f"{merchant.own}/secrets", json={}),
        await other.client.delete(f"{merchant.own}/secrets"),
        await other.client.get(f"{merchant.own}/deliveries"),
        await other.client.get(f"{merchant.own}/quarantine"),
        await other.client.get(f"{merchant.own}/versions"),
        await other.client.post(f"{merchant.own}/replay", json={}),
        await other.client.post(f"{merchant.own}/try", json={}),
    ]

    assert {answer.status_code for answer in answers} == {404}
    assert (await merchant.post(an_order_of())).status_code == 200


async def test_a_disabled_connector_takes_nothing(new_merchant: NewMerchant) -> None:
    merchant = await new_merchant()
    await merchant.client.delete(merchant.own)

    answer = await merchant.post(an_order_of())

    assert (answer.status_code, answer.json()["type"]) == (403, "/problems/connector-disabled")


async def test_an_unknown_connector_is_404(public: httpx.AsyncClient) -> None:
    for name in ("none", "con_test_none", "con_" + "0" * 24, "%00"):
        assert (await public.post(f"/v1/hooks/{name}", content=b"{}")).status_code in (404, 422)


async def test_what_is_turned_away_is_shown_but_not_without_end(
    new_merchant: NewMerchant, clock: SteppedClock
) -> None:
    merchant = await new_merchant()

    for _ in range(70):
        await merchant.send(b"{}", {})
    shown = await merchant.client.get(f"{merchant.own}/deliveries?limit=200")

    assert len(shown.json()["data"]) == 60


async def test_logs_are_paged(new_merchant: NewMerchant) -> None:
    merchant = await new_merchant()
    for _ in range(5):
        await merchant.post(an_order_of())

    seen, cursor = [], ""
    while True:
        page = (await merchant.client.get(f"{merchant.own}/deliveries?limit=2{cursor}")).json()
        seen += [row["delivery_id"] for row in page["data"]]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"

    assert len(seen) == len(set(seen)) == 5
    assert seen == sorted(seen, reverse=True)


async def test_a_refund_finds_an_order_of_before_the_partners_people_changed(
    new_merchant: NewMerchant, admin: httpx.AsyncClient
) -> None:
    merchant = await new_merchant(None, config=SIMPLE)
    sent = an_event(source=merchant.source)
    event = await report(merchant.client, sent)
    name = (await merchant.client.get("/v1/partner")).json()["partner"]
    changed = await admin.patch(f"/v1/partners/{name}", json={"people": "own"})

    undone = [{"id": sent["id"], "who": sent["subject"]}]
    answer = (await merchant.post({"rides": [], "undone": undone})).json()

    assert changed.status_code == 200, changed.text
    assert [row["outcome"] for row in answer["results"]] == ["reversed"]
    assert answer["results"][0]["action_id"] == event["action_id"]

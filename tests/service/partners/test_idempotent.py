"""Routes that may be sent again: what makes two requests the same, and how a repeat is answered.

The lines of a request are hashed under the programme's key and stored with its answer: were they
other ones after an upgrade, a repeat of a request from before it would be refused.
"""

from collections.abc import Callable
from hashlib import sha256

import httpx
import pytest
from builders import an_event, report, unique
from fastapi import FastAPI


async def digest_under(app: FastAPI, key: str) -> bytes:
    """The digest of the request that is stored under a key of the caller's."""
    async with app.state.runtime.resources.pool.acquire() as connection:
        found: bytes = await connection.fetchval(
            "SELECT request_digest FROM stored_answer WHERE idempotency_key = $1", key
        )
    return found


@pytest.mark.parametrize(
    ("method", "path", "body", "lines"),
    [
        (
            "POST",
            "/grants",
            {"points": 3, "reason": "a gesture"},
            'grant\n{person}\n{{"points":3,"reason":"a gesture"}}',
        ),
        (
            "PUT",
            "/profile",
            {"display_name": "Ada"},
            'profile {{"display_name":"Ada","region":null,"is_ranked":true}}\n{person}',
        ),
        ("POST", "/friends", {"subject": "bob"}, "ask {bob}\n{person}"),
    ],
)
async def test_the_lines_of_a_request_stay_as_they_were(
    app: FastAPI, admin: httpx.AsyncClient, method: str, path: str, body: dict, lines: str
) -> None:
    subject, key = unique("person"), unique("key")
    answer = await admin.request(
        method, f"/v1/people/{subject}{path}", json=body, headers={"Idempotency-Key": key}
    )

    assert answer.is_success, answer.text
    hasher = app.state.runtime.hasher
    told = lines.format(person=hasher.person(subject).id, bob=hasher.person("bob").id)
    stored = await digest_under(app, key)
    assert stored == hasher.digest(b"request\0" + told.encode())
    assert stored != sha256(told.encode()).digest()


async def test_a_repeat_of_a_request_of_the_released_version_is_answered(
    app: FastAPI, admin: httpx.AsyncClient
) -> None:
    """Its hash was stored without the programme's key."""
    subject, key = unique("person"), unique("key")
    path, headers = f"/v1/people/{subject}/grants", {"Idempotency-Key": key}
    body = {"points": 3, "reason": "a gesture"}
    first = await admin.post(path, json=body, headers=headers)
    person = app.state.runtime.hasher.person(subject).id
    lines = f'grant\n{person}\n{{"points":3,"reason":"a gesture"}}'
    async with app.state.runtime.resources.pool.acquire() as connection:
        await connection.execute(
            "UPDATE stored_answer SET request_digest = $1 WHERE idempotency_key = $2",
            sha256(lines.encode()).digest(),
            key,
        )

    again = await admin.post(path, json=body, headers=headers)
    other = await admin.post(path, json={**body, "points": 4}, headers=headers)

    assert again.content == first.content
    assert again.headers["idempotent-replayed"] == "true"
    assert other.json()["type"] == "/problems/idempotency-key-reused"


async def test_a_repeat_has_the_status_of_the_first_answer(admin: httpx.AsyncClient) -> None:
    path, key = f"/v1/people/{unique('person')}/grants", {"Idempotency-Key": unique("key")}
    body = {"points": 3, "reason": "a gesture"}
    first = await admin.post(path, json=body, headers=key)
    again = await admin.post(path, json=body, headers=key)

    assert (first.status_code, again.status_code) == (201, 201)
    assert again.json() == first.json()


async def test_a_repeated_reversal_says_that_it_was_done_before(
    app: FastAPI, partner: httpx.AsyncClient
) -> None:
    action = (await report(partner, an_event()))["action_id"]
    path, key = f"/v1/actions/{action}/reversal", unique("key")
    first = await partner.post(path, json={"reason": "refund"}, headers={"Idempotency-Key": key})
    again = await partner.post(path, json={"reason": "refund"}, headers={"Idempotency-Key": key})
    anew = await partner.post(path, json={"reason": "refund"})

    assert [one.status_code for one in (first, again, anew)] == [201, 200, 200]
    assert [one.headers.get("idempotent-replayed") for one in (first, again, anew)] == [
        None, "true", None,
    ]  # fmt: skip
    told = f'reversal\n{action}\n{{"reason":"refund"}}'
    stored = await digest_under(app, key)
    assert stored == app.state.runtime.hasher.digest(b"request\0" + told.encode())
    assert stored != sha256(told.encode()).digest()


async def test_what_the_caller_may_not_do_is_refused_before_a_stored_answer(
    partner: httpx.AsyncClient, person: Callable[[str], httpx.AsyncClient]
) -> None:
    """A person's token may not grant, with or without a key."""
    subject = unique("person")
    path, body = f"/v1/people/{subject}/grants", {"points": 3, "reason": "a gesture"}
    for client in (partner, person(subject)):
        answer = await client.post(path, json=body, headers={"Idempotency-Key": unique("key")})
        assert answer.json()["type"] == "/problems/scope-missing"

"""Failed log-ins leave a trace, which is a sample and stays small."""

from typing import Any

import httpx
from builders import a_partner, client_of, unique
from fastapi import FastAPI

from service.errors import KeyInvalid
from service.partners.failed_logins import OTHERS, TOLD_APART_MAX, FailedLogins
from service.partners.keys import make_key, split_key


async def trail(app: FastAPI, admin: httpx.AsyncClient, target: str) -> list[dict[str, Any]]:
    await app.state.runtime.authenticator.write_failed()
    query = {"act": "login.failed", "target": target}
    return list((await admin.get("/v1/audit-events", params=query)).json()["data"])


async def test_twenty_failed_log_ins_with_a_key_are_one_event_that_says_so(
    app: FastAPI, admin: httpx.AsyncClient
) -> None:
    known = await a_partner(app.state.runtime.resources.sessions, scopes=())
    prefix, _ = split_key(known.key)

    async with client_of(app, f"sx_{prefix}_{'0' * 64}") as client:
        answers = [await client.get("/v1/partner") for _ in range(20)]
    (event,) = await trail(app, admin, f"key:{prefix}")

    assert {answer.status_code for answer in answers} == {401}
    assert event["actor"]["kind"] == "nobody"
    assert event["address"] == "127.0.0.1"
    assert event["changes"] == {"times": [None, "20"], "why": [None, "key-invalid"]}


async def test_what_was_sent_as_a_credential_is_not_kept(
    app: FastAPI, admin: httpx.AsyncClient
) -> None:
    secret = unique("secret")

    async with client_of(app, f"sx_{secret}_x") as client:
        await client.get("/v1/partner")
    async with client_of(app, secret) as client:
        await client.get("/v1/partner")
    malformed = await trail(app, admin, "credential:malformed")
    tokens = await trail(app, admin, "credential:token")

    assert malformed
    assert tokens
    assert secret not in str(malformed) + str(tokens)


def test_only_so_many_failures_are_told_apart() -> None:
    failed = FailedLogins()

    for _ in range(TOLD_APART_MAX + 30):
        failed.note(make_key().text, KeyInvalid("no"))
    counts = failed.take()

    assert len(counts) == TOLD_APART_MAX + 1
    assert counts[OTHERS] == 30
    assert counts.total() == TOLD_APART_MAX + 30
    assert not failed.take()

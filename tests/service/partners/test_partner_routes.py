"""Partners by themselves: they see, rotate and revoke their keys; operators register them."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx
import pytest
from builders import NOW, SteppedClock, a_partner, an_event, client_of, report, unique
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as some

from service.partners.keys import is_mistyped, make_key, split_key
from service.partners.tables import ApiKey


@pytest.fixture
async def made(admin: httpx.AsyncClient) -> dict[str, Any]:
    """A partner just registered by an operator."""
    answer = await admin.post(
        "/v1/partners", json={"partner": unique("p"), "name": "Wok", "sources": [unique("s")]}
    )
    assert answer.status_code == 201, answer.text
    return answer.json()


@pytest.fixture
async def own(app: FastAPI, made: dict[str, Any]) -> AsyncIterator[httpx.AsyncClient]:
    """Speaks with that partner's live key, which may change the partner's keys, too."""
    await give(app, made["live_key"]["prefix"], "keys:manage")
    async with client_of(app, made["live_key"]["key"]) as client:
        yield client


async def give(app: FastAPI, prefix: str, scope: str) -> None:
    async with app.state.runtime.registry() as session, session.begin():
        key = await session.get(ApiKey, prefix)
        key.scopes = [*key.scopes, scope]


async def test_a_registered_partner_can_start_at_once(
    own: httpx.AsyncClient, made: dict[str, Any]
) -> None:
    result = await report(own, an_event(source=made["sources"][0]))
    me = (await own.get("/v1/partner")).json()

    assert result["outcome"] == "credited"
    assert (me["partner"], me["name"], me["mode"]) == (made["partner"], "Wok", "live")
    assert me["sources"] == made["sources"]


async def test_keys_are_listed_without_secrets(own: httpx.AsyncClient, made: Any) -> None:
    answer = await own.get("/v1/partner/keys")

    assert {row["mode"] for row in answer.json()["data"]} == {"live", "test"}
    assert made["live_key"]["key"].rpartition("_")[2] not in answer.text


async def test_keys_are_paged(own: httpx.AsyncClient) -> None:
    first = (await own.get("/v1/partner/keys?limit=1")).json()
    second = (await own.get(f"/v1/partner/keys?limit=1&cursor={first['next_cursor']}")).json()

    assert second["next_cursor"] is None
    assert first["data"][0]["prefix"] != second["data"][0]["prefix"]


async def test_a_rotation_keeps_both_keys_live_for_a_while(
    app: FastAPI, own: httpx.AsyncClient, made: Any, clock: SteppedClock
) -> None:
    prefix = made["live_key"]["prefix"]
    answer = await own.post(f"/v1/partner/keys/{prefix}/rotation", json={"overlap_hours": 2})
    rotated = answer.json()

    async with client_of(app, rotated["key"]) as new:
        during = [(await client.get("/v1/partner")).status_code for client in (own, new)]
        third = await new.post(f"/v1/partner/keys/{rotated['prefix']}/rotation")
        clock.advance(hours=2)
        after = [(await client.get("/v1/partner")).status_code for client in (own, new)]
        fourth = await new.post(f"/v1/partner/keys/{rotated['prefix']}/rotation")

    assert answer.status_code == 201, answer.text
    assert rotated["old_key_ends_at"] == (NOW + timedelta(hours=2)).isoformat().replace(
        "+00:00", "Z"
    )
    assert (during, after) == ([200, 200], [401, 200])
    assert (third.status_code, third.json()["type"]) == (409, "/problems/key-rotating")
    assert fourth.status_code == 201


async def test_a_key_is_rotated_once_at_a_time(own: httpx.AsyncClient, made: Any) -> None:
    path = f"/v1/partner/keys/{made['live_key']['prefix']}/rotation"

    assert [(await own.post(path)).status_code for _ in range(2)] == [201, 409]


async def test_a_key_revokes_itself(own: httpx.AsyncClient, made: Any) -> None:
    answer = await own.delete(f"/v1/partner/keys/{made['live_key']['prefix']}")

    assert answer.json() == {"revoked": [made["live_key"]["prefix"]]}
    assert (await own.get("/v1/partner")).status_code == 401


@pytest.mark.parametrize("verb", ["rotation", "revoke"])
async def test_a_key_changes_none_of_the_other_mode_or_of_others(
    own: httpx.AsyncClient, admin: httpx.AsyncClient, made: Any, verb: str
) -> None:
    async def change(prefix: str) -> httpx.Response:
        path = f"/v1/partner/keys/{prefix}"
        return await (own.post(f"{path}/rotation") if verb == "rotation" else own.delete(path))

    theirs = (await admin.get("/v1/partner/keys")).json()["data"][0]["prefix"]

    assert (await change(made["test_key"]["prefix"])).json()["type"] == "/problems/key-not-yours"
    assert (await change(theirs)).json()["type"] == "/problems/key-not-found"
    assert (await change("none")).json()["type"] == "/problems/key-not-found"


async def test_a_key_does_not_revoke_a_stronger_one(app: FastAPI) -> None:
    sessions, name = app.state.runtime.resources.sessions, unique("p")
    weak = await a_partner(sessions, name=name, scopes=("keys:manage", "actions:read"))
    strong = await a_partner(sessions, name=name, scopes=("admin",))

    async with client_of(app, weak.key) as client:
        answer = await client.delete(f"/v1/partner/keys/{split_key(strong.key)[0]}")

    assert (answer.status_code, answer.json()["type"]) == (403, "/problems/key-not-yours")


async def test_last_use_is_written_down_later_and_once(
    app: FastAPI, own: httpx.AsyncClient, made: Any
) -> None:
    for _ in range(5):
        await own.get("/v1/partner")
    before = (await own.get("/v1/partner/keys")).json()["data"]

    await app.state.runtime.authenticator.note_uses()
    after = (await own.get("/v1/partner/keys")).json()["data"]

    used = {row["prefix"]: row["last_used_at"] for row in after}
    assert {row["last_used_at"] for row in before} == {None}
    assert used[made["live_key"]["prefix"]] is not None
    assert used[made["test_key"]["prefix"]] is None


async def test_a_disabled_partner_is_refused_until_it_is_enabled(
    own: httpx.AsyncClient, admin: httpx.AsyncClient, made: Any
) -> None:
    path = f"/v1/partners/{made['partner']}"

    off = await admin.patch(path, json={"disabled": True})
    refused = await own.get("/v1/partner")
    on = await admin.patch(path, json={"disabled": False, "add_sources": [unique("s")]})
    taken = await own.get("/v1/partner")

    assert (off.json()["disabled_at"] is None, on.json()["disabled_at"]) == (False, None)
    assert (refused.status_code, taken.status_code) == (401, 200)
    assert len(taken.json()["sources"]) == 2


async def test_partners_are_listed_and_shown(admin: httpx.AsyncClient, made: Any) -> None:
    seen, cursor = [], ""
    while True:
        page = (await admin.get(f"/v1/partners?limit=200{cursor}")).json()
        seen += [row["partner"] for row in page["data"]]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"

    assert made["partner"] in seen
    assert seen == sorted(seen)
    assert (await admin.get(f"/v1/partners/{made['partner']}")).json()["name"] == "Wok"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"partner": "acme"}, "partner-exists"),
        ({"partner": "has space"}, "fields-invalid"),
        ({"partner": "a#1"}, "fields-invalid"),
        ({"partner": ""}, "fields-invalid"),
        ({"partner": "new-one", "sources": ["metro"]}, "source-taken"),
        ({"partner": "new-one", "sources": [""]}, "fields-invalid"),
        ({"partner": "new-one", "x": 1}, "fields-invalid"),
    ],
)
async def test_a_partner_that_cannot_be_is_not_made(
    admin: httpx.AsyncClient, body: dict[str, Any], code: str
) -> None:
    answer = await admin.post("/v1/partners", json=body)

    assert answer.json()["type"] == f"/problems/{code}", answer.text
    assert (await admin.get("/v1/partners/new-one")).status_code == 404


@given(some.booleans(), some.integers(0, 70), some.characters(codec="ascii"))
def test_a_typing_error_is_noticed_without_the_database(
    is_test: bool, at: int, character: str
) -> None:
    key = make_key(is_test=is_test).text
    index = len(key) - 1 - at
    typed = key[:index] + character + key[index + 1 :]

    assert not is_mistyped(key)
    if typed != key and split_key(typed) is not None:
        assert is_mistyped(typed)
    assert is_mistyped(key[:-1])


def test_a_key_of_before_is_still_a_key() -> None:
    assert not is_mistyped("sx_abcdef123456_" + "0" * 64)


async def test_a_mistyped_key_is_told_so(app: FastAPI) -> None:
    key = make_key().text

    async with client_of(app, key[:-1] + ("0" if key[-1] != "0" else "1")) as client:
        answer = await client.get("/v1/partner")

    assert "mistyped" in answer.json()["detail"]

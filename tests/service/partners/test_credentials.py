"""Who speaks: keys of partners and tokens of people, good ones and all kinds of bad ones."""

import base64
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import jwt
import orjson
import pytest
from builders import (
    AUDIENCE,
    ISSUER,
    NOW,
    SINGLE,
    USUAL,
    SteppedClock,
    a_partner,
    a_token,
    an_event,
    client_of,
    report,
    unique,
)
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as some

from service.partners import store
from service.partners.issuer import KEY_ID, IssuerMissing, mint_token
from service.partners.keys import SCOPES, make_key, split_key


async def ask(app: FastAPI, authorization: str | None) -> httpx.Response:
    headers = {} if authorization is None else {"Authorization": authorization}
    async with client_of(app) as client:
        return await client.get(f"/v1/people/{unique('person')}", headers=headers)


@pytest.mark.parametrize(
    ("authorization", "code"),
    [
        (None, "credentials-missing"),
        ("", "credentials-missing"),
        ("Bearer", "credentials-missing"),
        ("Bearer ", "credentials-missing"),
        ("Basic YWxpY2U6c2VjcmV0", "credentials-missing"),
        ("sx_a_b", "credentials-missing"),
        ("Bearer sx_", "key-invalid"),
        ("Bearer sx__", "key-invalid"),
        ("Bearer sx_a_b_c", "key-invalid"),
        ("Bearer sx_abcdef123456_" + "0" * 64, "key-invalid"),
        ("Bearer sx_a\x7fb_c", "key-invalid"),
        ("Bearer garbage", "token-invalid"),
        ("Bearer a.b.c", "token-invalid"),
        ("Bearer " + "x" * 10_000, "token-invalid"),
    ],
)
async def test_bad_credentials_are_401(app: FastAPI, authorization: str, code: str) -> None:
    answer = await ask(app, authorization)

    assert answer.status_code == 401, answer.text
    assert answer.json()["type"] == f"/problems/{code}"
    assert answer.headers["www-authenticate"].startswith("Bearer")


async def test_a_key_with_another_secret_is_refused(app: FastAPI) -> None:
    partner = await a_partner(app.state.runtime.resources.sessions)

    answer = await ask(app, f"Bearer {partner.key[:-1]}{'0' if partner.key[-1] != '0' else '1'}")

    assert answer.json()["type"] == "/problems/key-invalid"


async def test_a_key_expires(app: FastAPI, clock: SteppedClock) -> None:
    sessions = app.state.runtime.resources.sessions
    partner = await a_partner(sessions, expires_at=NOW + timedelta(hours=1))
    before = await ask(app, f"Bearer {partner.key}")

    clock.advance(hours=1)
    after = await ask(app, f"Bearer {partner.key}")

    assert (before.status_code, after.status_code) == (200, 401)


async def test_a_revoked_key_is_refused(app: FastAPI) -> None:
    sessions = app.state.runtime.resources.sessions
    partner = await a_partner(sessions)
    before = await ask(app, f"Bearer {partner.key}")

    prefix, _ = split_key(partner.key)
    async with sessions() as session, session.begin():
        assert await store.revoke_key(session, prefix, NOW)
        assert not await store.revoke_key(session, prefix, NOW)
    after = await ask(app, f"Bearer {partner.key}")

    assert (before.status_code, after.status_code) == (200, 401)


async def test_the_secret_is_stored_nowhere(app: FastAPI) -> None:
    partner = await a_partner(app.state.runtime.resources.sessions)
    prefix, secret = split_key(partner.key)

    async with app.state.runtime.resources.pool.acquire() as connection:
        row = await connection.fetchrow("SELECT * FROM api_key WHERE prefix = $1", prefix)

    assert secret not in str(dict(row))
    assert bytes.fromhex(secret) not in row["secret_sha256"]


@pytest.mark.parametrize("scope", USUAL)
async def test_a_missing_scope_is_named(app: FastAPI, scope: str) -> None:
    source = unique("source")
    sender = await a_partner(
        app.state.runtime.resources.sessions,
        sources=(source,),
        scopes=tuple(one for one in USUAL if one != scope),
    )
    asks = {
        "events:write": (
            "POST",
            "/v1/events",
            {"json": an_event(source=source), "headers": SINGLE},
        ),
        "actions:read": ("GET", "/v1/actions/00000000-0000-7000-8000-000000000000", {}),
        "people:act": ("POST", "/v1/people/somebody/collect", {}),
    }
    method, path, more = asks[scope]

    async with client_of(app, sender.key) as client:
        answer = await client.request(method, path, **more)

    assert answer.status_code == 403, answer.text
    assert answer.json()["type"] == "/problems/scope-missing"
    assert scope in answer.json()["detail"]


async def test_an_admin_holds_every_scope(admin: httpx.AsyncClient) -> None:
    result = await report(admin, an_event(time="2025-01-01T00:00:00+08:00"))

    assert (result["outcome"], result["evidence_level"]) == ("credited", "L1")


# People


async def test_a_person_reports_for_themselves(person: Callable[[str], Any]) -> None:
    subject = unique("person")

    async with person(subject) as client:
        by_me = await report(client, an_event(source="app", subject="me"))
        by_name = await report(client, an_event(source="app", subject=subject))
        statement = (await client.get("/v1/people/me")).json()

    assert (by_me["evidence_level"], by_me["outcome"]) == ("L0", "credited")
    assert by_name["outcome"] == "credited"
    assert statement["points"]["issued"] == 2 * 794


async def test_what_a_person_declares_is_in_no_carbon_total(person: Callable[[str], Any]) -> None:
    async with person(unique("person")) as client:
        await report(client, an_event(source="app", subject="me"))
        statement = (await client.get("/v1/people/me")).json()

    assert statement["carbon"] == {"avoided_mg": "0", "actions": 0, "by_activity": []}
    assert statement["points"]["ripening"] == 794


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"subject": "somebody-else"}, "subject-not-yours"),
        ({"source": "metro"}, "source-not-yours"),
        ({"evidencelevel": "L1"}, "level-not-yours"),
        ({"evidencelevel": "L2"}, "level-not-yours"),
    ],
)
async def test_a_person_may_not_report_more(
    person: Callable[[str], Any], partner: httpx.AsyncClient, changes: dict, code: str
) -> None:
    async with person(unique("person")) as client:
        answer = await client.post(
            "/v1/events", json=an_event(**{"source": "app", "subject": "me"} | changes)
        )

    assert answer.status_code == 403
    assert answer.json()["type"] == f"/problems/{code}"


def claims(**changes: object) -> dict[str, object]:
    now = datetime.now(UTC)
    usual = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "alice",
        "iat": now,
        "exp": now + timedelta(hours=1),
    }
    return {name: value for name, value in {**usual, **changes}.items() if value is not None}


def signed(home: Path, **changes: object) -> str:
    private = (home / "issuer" / "private.pem").read_bytes()
    return jwt.encode(claims(**changes), private, algorithm="EdDSA", headers={"kid": KEY_ID})


PAST = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": PAST},
        {"exp": None},
        {"aud": "another-app"},
        {"aud": None},
        {"aud": []},
        {"iss": "https://issuer.evil"},
        {"iss": None},
        {"sub": None},
        {"sub": ""},
        {"sub": "x" * 129},
        {"sub": "a\0b"},
        {"nbf": datetime(2200, 1, 1, tzinfo=UTC)},
    ],
    ids=str,
)
async def test_a_token_that_is_not_for_us_now_is_refused(
    app: FastAPI, home: Path, changes: dict
) -> None:
    answer = await ask(app, f"Bearer {signed(home, **changes)}")

    assert answer.status_code == 401, answer.text
    assert answer.json()["type"] == "/problems/token-invalid"


def _public(home: Path) -> dict[str, str]:
    return orjson.loads((home / "issuer" / "jwks.json").read_bytes())["keys"][0]


def _unsigned(home: Path) -> str:
    return jwt.encode(claims(), None, algorithm="none", headers={"kid": KEY_ID})


def _public_key_as_secret(home: Path) -> str:
    secret = base64.urlsafe_b64decode(_public(home)["x"] + "==")
    return jwt.encode(claims(), secret, algorithm="HS256", headers={"kid": KEY_ID})


def _other_key(home: Path) -> str:
    key = ed25519.Ed25519PrivateKey.generate()
    return jwt.encode(claims(), key, algorithm="EdDSA", headers={"kid": KEY_ID})


def _rsa_key(home: Path) -> str:
    key = rsa.generate_private_key(65537, 2048)
    return jwt.encode(claims(), key, algorithm="RS256", headers={"kid": KEY_ID})


def _ec_key(home: Path) -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    return jwt.encode(claims(), key, algorithm="ES256", headers={"kid": KEY_ID})


def _unknown_kid(home: Path) -> str:
    private = (home / "issuer" / "private.pem").read_bytes()
    return jwt.encode(claims(), private, algorithm="EdDSA", headers={"kid": "unknown"})


def _no_kid(home: Path) -> str:
    private = (home / "issuer" / "private.pem").read_bytes()
    return jwt.encode(claims(), private, algorithm="EdDSA")


def _key_in_the_header(home: Path) -> str:
    key = ed25519.Ed25519PrivateKey.generate()
    public = jwt.algorithms.OKPAlgorithm.to_jwk(key.public_key(), as_dict=True)
    return jwt.encode(claims(), key, algorithm="EdDSA", headers={"kid": "mine", "jwk": public})


def _changed_after_signing(home: Path) -> str:
    head, _, signature = signed(home).split(".")
    changed = base64.urlsafe_b64encode(orjson.dumps({"sub": "mallory"})).decode().rstrip("=")
    return f"{head}.{changed}.{signature}"


@pytest.mark.parametrize(
    "forge",
    [
        _unsigned,
        _public_key_as_secret,
        _other_key,
        _rsa_key,
        _ec_key,
        _unknown_kid,
        _no_kid,
        _key_in_the_header,
        _changed_after_signing,
    ],
)
async def test_a_token_that_the_issuer_did_not_sign_is_refused(
    app: FastAPI, home: Path, forge: Callable[[Path], str]
) -> None:
    answer = await ask(app, f"Bearer {forge(home)}")

    assert answer.status_code == 401, answer.text
    assert answer.json()["type"] == "/problems/token-invalid"


async def test_a_good_token_is_taken_after_bad_ones(app: FastAPI, home: Path) -> None:
    for _ in range(3):
        await ask(app, f"Bearer {_unknown_kid(home)}")

    async with client_of(app, a_token(home, "alice")) as client:
        answer = await client.get("/v1/people/alice")

    assert answer.status_code == 200


def test_without_an_issuer_no_token_is_made(tmp_path: Path) -> None:
    with pytest.raises(IssuerMissing, match="saxaul up"):
        mint_token(
            tmp_path,
            subject="a",
            issuer=ISSUER,
            audience=AUDIENCE,
            lifetime=timedelta(hours=1),
            clock=SteppedClock(),
        )


# Keys, pure


def test_a_key_is_split_as_it_was_made() -> None:
    key = make_key()

    prefix, secret = split_key(key.text)

    assert prefix == key.prefix
    assert len(secret) == 64 + 8  # and a checksum
    assert key.secret_sha256 != secret


@given(some.text(max_size=40))
def test_any_other_text_is_no_key(text: str) -> None:
    parts = split_key(text)

    assert parts is None or text == f"sx_{parts[0]}_{parts[1]}"


def test_the_scopes_are_those_of_the_contract() -> None:
    assert set(SCOPES) == {
        *USUAL, "events:backfill", "webhooks:manage", "keys:manage", "auditor", "operator", "admin",
    }  # fmt: skip

"""The issuer's keys: asked for seldom, by one at a time, and not believed for ever."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, ClassVar

import httpx
import jwt
import orjson
import pytest
from builders import ISSUER, NewSettings, SteppedClock, client_of, running_app
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from service.errors import IssuerAway, TokenInvalid
from service.partners.key_set import Fetched, FetchFailed, KeySet, fetched, usable

ED = ed25519.Ed25519PrivateKey.generate()
PUBLIC: dict[str, Any] = OKPAlgorithm.to_jwk(ED.public_key(), as_dict=True)


def a_set(*kids: str) -> bytes:
    return orjson.dumps({"keys": [{**PUBLIC, "kid": kid, "use": "sig"} for kid in kids]})


class Issuer:
    """An issuer that counts how often it is asked, and a clock that a test moves."""

    def __init__(self, *kids: str) -> None:
        self.now = 1_000.0
        self.asked = 0
        self.document = a_set(*kids)
        self.max_age_s: float | None = None
        self.is_away = False
        self.keys = KeySet("https://x", fetch=self.fetch, clock=lambda: self.now)

    async def fetch(self, _: str) -> Fetched:
        self.asked += 1
        await asyncio.sleep(0)
        if self.is_away:
            raise FetchFailed("it is away")
        return Fetched(self.document, self.max_age_s)

    async def refused(self, kid: str) -> type[Exception]:
        with pytest.raises((TokenInvalid, IssuerAway)) as error:
            await self.keys.find(kid)
        return error.type


async def test_sixty_unknown_keys_at_once_are_one_question() -> None:
    issuer = Issuer("a")

    found = await asyncio.gather(
        *(issuer.keys.find(f"unknown-{n}") for n in range(60)), return_exceptions=True
    )

    assert issuer.asked == 1
    assert all(isinstance(one, TokenInvalid) for one in found)
    issuer.now += 9
    assert await issuer.refused("unknown") is TokenInvalid
    assert issuer.asked == 1
    issuer.now += 1
    await issuer.refused("unknown")
    assert issuer.asked == 2


async def test_many_wait_for_one_question_and_all_have_its_answer() -> None:
    issuer = Issuer("a")

    found = await asyncio.gather(*(issuer.keys.find("a") for _ in range(20)))

    assert (issuer.asked, len(found)) == (1, 20)


async def test_a_new_key_is_found_and_one_that_was_taken_back_is_not() -> None:
    issuer = Issuer("old")
    await issuer.keys.find("old")
    issuer.document = a_set("new")
    issuer.now += 10

    await issuer.keys.find("new")

    assert await issuer.refused("old") is TokenInvalid


@pytest.mark.parametrize(("max_age_s", "kept_s"), [(None, 600), (300, 300), (0, 60), (1e9, 86_400)])
async def test_a_key_ends_with_its_set(max_age_s: float | None, kept_s: float) -> None:
    issuer = Issuer("a")
    issuer.max_age_s = max_age_s
    await issuer.keys.find("a")
    issuer.document = a_set("b")

    issuer.now += kept_s
    assert await issuer.refused("a") is TokenInvalid
    assert issuer.asked == 2


async def test_a_set_is_asked_for_again_before_it_ends_while_nobody_waits() -> None:
    issuer = Issuer("a")
    await issuer.keys.find("a")
    issuer.now += 481

    await asyncio.gather(*(issuer.keys.find("a") for _ in range(10)))
    for _ in range(20):  # turns of the loop, not time
        await asyncio.sleep(0)
    issuer.now += 300

    await issuer.keys.find("a")
    assert issuer.asked == 2


async def test_an_issuer_that_is_away_is_left_in_peace_longer_each_time() -> None:
    issuer = Issuer("a")
    await issuer.keys.find("a")
    issuer.is_away = True
    issuer.now += 600
    asked_after = []

    for second in range(300):
        before = issuer.asked
        with pytest.raises(IssuerAway) as away:
            await issuer.keys.find("a")
        assert 1 <= away.value.retry_after_s <= 60
        if issuer.asked > before:
            asked_after.append(second)
        issuer.now += 1

    assert asked_after == [0, 1, 3, 7, 15, 31, 63, 123, 183, 243]
    issuer.is_away = False
    issuer.now += 60
    await issuer.keys.find("a")


async def test_keys_that_are_still_good_are_used_while_the_issuer_is_away() -> None:
    issuer = Issuer("a")
    await issuer.keys.find("a")
    issuer.is_away = True
    issuer.now += 599

    await issuer.keys.find("a")
    assert await issuer.refused("new") is IssuerAway


@pytest.mark.parametrize("document", [
    b"", b"[]", b"null", b'{"keys": null}', b'{"keys": {}}', b'{"keys": 7}', b"{}", b"<html>",
    b'"keys"', b"\xff",
])  # fmt: skip
async def test_what_is_no_key_set_is_a_failure(document: bytes) -> None:
    issuer = Issuer()
    issuer.document = document

    assert await issuer.refused("a") is IssuerAway


RSA_KEY = RSAAlgorithm.to_jwk(rsa.generate_private_key(65537, 2048).public_key(), as_dict=True)
WEAK = RSAAlgorithm.to_jwk(rsa.generate_private_key(65537, 1024).public_key(), as_dict=True)
EC_KEY = ECAlgorithm.to_jwk(ec.generate_private_key(ec.SECP256R1()).public_key(), as_dict=True)
EC_384 = ECAlgorithm.to_jwk(ec.generate_private_key(ec.SECP384R1()).public_key(), as_dict=True)


@pytest.mark.parametrize("key", [
    {**PUBLIC, "use": "enc"}, {**RSA_KEY, "use": "enc"}, {**PUBLIC, "use": 7},
    {**PUBLIC, "key_ops": ["encrypt"]}, {**PUBLIC, "key_ops": "verify"}, {**PUBLIC, "kid": None},
    {**PUBLIC, "kid": 7}, {**PUBLIC, "kid": ""}, {**PUBLIC, "kid": "x" * 300},
    {"kty": "oct", "k": "c2VjcmV0", "alg": "HS256"}, {**RSA_KEY, "alg": "HS256"},
    {**RSA_KEY, "alg": "RS512"}, {**RSA_KEY, "alg": "none"}, WEAK, EC_384, {"kty": "OKP"}, {},
    {"kty": "RSA", "n": "!", "e": "!"}, {"kty": ["RSA"]}, None, 7, "key", [], {"kty": "XXX"},
    {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}, {**PUBLIC, "x": 7},
])  # fmt: skip
def test_a_key_that_signs_no_token_of_ours_is_left_out(key: object) -> None:
    named = {"kid": "a", **key} if isinstance(key, dict) else key
    document = orjson.dumps({"keys": [named, {**PUBLIC, "kid": "good"}]})

    assert list(usable(document)) == ["good"]


@pytest.mark.parametrize("key", [PUBLIC, RSA_KEY, EC_KEY, {**PUBLIC, "key_ops": ["verify"]}])
def test_a_usual_key_is_taken(key: dict[str, Any]) -> None:
    assert list(usable(orjson.dumps({"keys": [{**key, "kid": "a"}]}))) == ["a"]


class Handler(BaseHTTPRequestHandler):
    """Answers with what the test says."""

    status: ClassVar[int] = 200
    body: ClassVar[bytes] = b"{}"

    def do_GET(self) -> None:
        self.send_response(self.status)
        self.send_header("Cache-Control", "public, max-age=123")
        self.send_header("Content-Length", str(len(self.body)))
        self.send_header("Location", "/elsewhere")
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  its name
        """Say nothing."""


@pytest.fixture
def served() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/jwks"
    server.shutdown()
    thread.join()
    server.server_close()


async def test_a_document_is_fetched_with_its_age(served: str) -> None:
    Handler.status, Handler.body = 200, a_set("a")

    assert await fetched(served) == Fetched(a_set("a"), 123.0)


@pytest.mark.parametrize(("status", "size"), [(500, 2), (404, 2), (302, 2), (200, 300_000)])
async def test_any_other_answer_is_a_failure(served: str, status: int, size: int) -> None:
    Handler.status, Handler.body = status, b" " * size

    with pytest.raises(FetchFailed):
        await fetched(served)


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/", "file:///nowhere", "https://["])
async def test_an_issuer_that_is_not_there_is_a_failure(url: str) -> None:
    with pytest.raises(FetchFailed):
        await fetched(url)


def a_signed(kid: str, **head: object) -> str:
    claims = {"iss": ISSUER, "aud": "saxaul", "sub": "ann", "exp": 4_000_000_000}
    return jwt.encode(claims, ED, algorithm="EdDSA", headers={"kid": kid, **head})


async def test_an_issuer_that_is_away_is_503_and_a_time_to_come_back(
    new_settings: NewSettings, tmp_path: Path
) -> None:
    file = tmp_path / "jwks.json"
    settings = await new_settings(oidc_jwks_url=file.as_uri())
    ask: Callable[[httpx.AsyncClient], Any] = lambda client: client.get("/v1/people/me")  # noqa: E731
    async with running_app(settings, SteppedClock()) as app:
        async with client_of(app, a_signed("a")) as client:
            away = await ask(client)
        file.write_bytes(b'{"keys": null}')
        async with client_of(app, a_signed("a")) as client:
            no_keys = await ask(client)

    for answer in (away, no_keys):
        assert answer.status_code == 503, answer.text
        assert answer.json()["type"] == "/problems/issuer-away"
        assert int(answer.headers["retry-after"]) >= 1


async def test_a_token_with_a_deep_head_is_401(public: httpx.AsyncClient) -> None:
    deep = jwt.utils.base64url_encode(b'{"alg": ' + b"[" * 5_000).decode()
    answer = await public.get("/v1/people/me", headers={"Authorization": f"Bearer {deep}.e30.AA"})

    assert answer.status_code == 401, answer.text

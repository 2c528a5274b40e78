"""Our signatures are those of others: each side reads what the other one made."""

import base64
import hmac
import json
import shutil
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import standardwebhooks
import svix.webhooks
from builders import NOW
from hypothesis import given
from hypothesis import strategies as some

from service.errors import (
    BodyNotJson,
    DeliveryTooOld,
    SignatureHeaderMalformed,
    SignatureInvalid,
)
from service.webhooks.inbound.mapping import read_payload
from service.webhooks.signing import (
    ID,
    PRIVATE,
    SIGNATURE,
    TIMESTAMP,
    SecretMalformed,
    new_ed25519,
    new_secret,
    public_of,
    sign,
    signatures,
    signed_headers,
    verify,
)

SECRET = new_secret()
PAIR = new_ed25519()
ids = some.from_regex(r"[!-\-/-~]{1,64}", fullmatch=True)
texts = some.text(some.characters(codec="utf-8"), max_size=200)
# The reference packages take the machine's clock, so their messages are signed about now.
ages = some.integers(-200, 200)


def machine_time() -> datetime:
    return datetime.now(UTC)


@given(ids, texts, ages)
def test_the_reference_library_verifies_what_we_sign(name: str, text: str, age: int) -> None:
    at = machine_time() - timedelta(seconds=age)
    body = json.dumps({"text": text}).encode()

    headers = signed_headers([SECRET], message_id=name, timestamp=at, body=body)

    assert standardwebhooks.Webhook(SECRET).verify(body, headers) == {"text": text}
    svix.webhooks.Webhook(SECRET).verify(body, headers)  # raises when it does not hold
    with pytest.raises(svix.webhooks.WebhookVerificationError):
        svix.webhooks.Webhook(SECRET).verify(body + b" ", headers)


@given(ids, texts, ages)
def test_we_verify_what_the_reference_library_signs(name: str, text: str, age: int) -> None:
    at = (machine_time() - timedelta(seconds=age)).replace(microsecond=0)
    body = text.encode()

    for webhook in (standardwebhooks.Webhook(SECRET), svix.webhooks.Webhook(SECRET)):
        headers = {
            ID: name,
            TIMESTAMP: str(int(at.timestamp())),
            SIGNATURE: webhook.sign(name, at, text),
        }
        message = verify([SECRET], headers=headers, body=body, now=machine_time())

        assert message == (name, at, body)


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which node finds the npm package; skips with the reason where it does not."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("node and npm are not installed")
    folder = tmp_path_factory.mktemp("node")
    done = subprocess.run(
        ["npm", "install", "--no-audit", "--no-fund", "standardwebhooks@1"],
        cwd=folder, capture_output=True, text=True, timeout=90, check=False,
    )  # fmt: skip
    if done.returncode:
        pytest.skip(f"npm cannot fetch standardwebhooks: {done.stderr[-200:]}")
    return folder


def run_node(folder: Path, script: str, given: object) -> object:
    done = subprocess.run(
        ["node", "-e", script],
        cwd=folder, input=json.dumps(given), capture_output=True, text=True, timeout=30, check=True,
    )  # fmt: skip
    return json.loads(done.stdout)


READ = "const given = JSON.parse(require('fs').readFileSync(0, 'utf8'));"
VERIFY = (
    READ
    + """
const { Webhook } = require('standardwebhooks');
console.log(JSON.stringify(given.map(one => {
  try { return new Webhook(one.secret).verify(one.body, one.headers); }
  catch (error) { return String(error); }
})));
"""
)
SIGN = (
    READ
    + """
const { Webhook } = require('standardwebhooks');
console.log(JSON.stringify(given.map(one =>
  new Webhook(one.secret).sign(one.id, new Date(one.at * 1000), one.body))));
"""
)
BODIES = ['{"a": 1}', '{"name": "梭梭", "é": "\\u0000"}', '{"deep": [[[]]], "n": 1.50}', "[]"]


def test_node_verifies_what_we_sign(node: Path) -> None:
    at = machine_time()
    told = [
        {
            "secret": SECRET,
            "body": body,
            "headers": signed_headers(
                [SECRET], message_id=f"msg_{n}", timestamp=at, body=body.encode()
            ),
        }
        for n, body in enumerate(BODIES)
    ]

    assert run_node(node, VERIFY, told) == [json.loads(body) for body in BODIES]


def test_we_verify_what_node_signs(node: Path) -> None:
    at = int(machine_time().timestamp())
    told = [
        {"secret": SECRET, "id": f"msg_{n}", "at": at, "body": body}
        for n, body in enumerate(BODIES)
    ]

    made = run_node(node, SIGN, told)

    for one, signature in zip(told, made, strict=True):
        headers = {ID: one["id"], TIMESTAMP: str(at), SIGNATURE: signature}
        body = one["body"].encode()
        assert verify([SECRET], headers=headers, body=body, now=machine_time()).body == body


@given(ids, some.binary(max_size=500), some.datetimes(timezones=some.timezones(),
       min_value=datetime(1990, 1, 1), max_value=datetime(2100, 1, 1)))  # noqa: DTZ001  # fmt: skip
def test_each_kind_of_secret_verifies_itself_at_any_time_in_any_zone(
    name: str, body: bytes, at: datetime
) -> None:
    headers = signed_headers([SECRET, PAIR.private], message_id=name, timestamp=at, body=body)

    for secret in (SECRET, PAIR.private, PAIR.public):
        assert verify([new_secret(), secret], headers=headers, body=body, now=at).id == name


def test_a_signature_of_the_specification_is_ours() -> None:
    """The example of the specification's own test suites."""
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    at = datetime.fromtimestamp(1614265330, UTC)

    made = sign(
        secret,
        message_id="msg_p5jXN8AQM9LWM0D4loKWxJek",
        timestamp=at,
        body=b'{"test": 2432232314}',
    )

    assert made == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def signed(body: bytes = b"{}", at: datetime = NOW) -> dict[str, str]:
    return signed_headers([SECRET], message_id="msg_1", timestamp=at, body=body)


@pytest.mark.parametrize("seconds", [-301, 301, 86_400])
def test_a_message_out_of_tolerance_is_refused(seconds: int) -> None:
    headers = signed(at=NOW - timedelta(seconds=seconds))

    with pytest.raises(DeliveryTooOld, match=str(abs(seconds))):
        verify([SECRET], headers=headers, body=b"{}", now=NOW)


@pytest.mark.parametrize("seconds", [-300, 0, 300])
def test_a_message_within_tolerance_is_taken(seconds: int) -> None:
    headers = signed(at=NOW - timedelta(seconds=seconds))

    assert verify([SECRET], headers=headers, body=b"{}", now=NOW).id == "msg_1"


@pytest.mark.parametrize(
    "change",
    [
        {ID: "msg_2"},
        {TIMESTAMP: str(int(NOW.timestamp()) + 1)},
        {SIGNATURE: "v1," + "A" * 43 + "="},
        {SIGNATURE: "v1a," + "A" * 86 + "=="},
    ],
)
def test_what_was_not_signed_is_refused(change: Mapping[str, str]) -> None:
    with pytest.raises(SignatureInvalid):
        verify([SECRET, PAIR.public], headers={**signed(), **change}, body=b"{}", now=NOW)


def signed_by_another(message_id: str, content: bytes) -> dict[str, str]:
    """Headers of a sender that signs any id at all."""
    stamp = str(int(NOW.timestamp()))
    key = base64.b64decode(SECRET.removeprefix("whsec_"))
    mac = hmac.digest(key, f"{message_id}.{stamp}.".encode() + content, "sha256")
    signature = f"v1,{base64.b64encode(mac).decode()}"
    return {ID: message_id, TIMESTAMP: stamp, SIGNATURE: signature}


def test_an_id_of_a_sender_may_hold_full_stops() -> None:
    message = verify(
        [SECRET], headers=signed_by_another("order.17.paid", b"{}"), body=b"{}", now=NOW
    )

    assert message.id == "order.17.paid"


@pytest.mark.parametrize("message_id", ['a.{"b":"c', "a.[", "a.b c", "a.1/2", 'a."', "a.é"])
def test_an_id_with_a_full_stop_holds_nothing_that_could_be_a_body(message_id: str) -> None:
    with pytest.raises(SignatureHeaderMalformed, match="full stop"):
        verify([SECRET], headers=signed_by_another(message_id, b"{}"), body=b"{}", now=NOW)


@given(
    some.from_regex(r"[A-Za-z0-9._~:-]{1,40}", fullmatch=True),
    some.dictionaries(some.text(max_size=5), some.integers(), max_size=3),
)
def test_a_message_read_with_a_shorter_id_is_no_json(message_id: str, payload: Any) -> None:
    body = json.dumps(payload).encode()
    content = f"{message_id}.{int(NOW.timestamp())}.".encode() + body

    for at in (index for index, one in enumerate(content) if one == ord(".")):
        _, _, rest = content[at + 1 :].partition(b".")
        if rest != body and body in rest:
            with pytest.raises(BodyNotJson):
                read_payload(rest)


def test_another_body_is_refused() -> None:
    with pytest.raises(SignatureInvalid):
        verify([SECRET], headers=signed(), body=b"{} ", now=NOW)


@pytest.mark.parametrize("name", [ID, TIMESTAMP, SIGNATURE])
@pytest.mark.parametrize(
    "value",
    [None, "", " ", "\0", "ü", "a b", "a.b", "1.5", "-1", "1e9", "٣", "NaN", "9" * 30, "v1", "v1,",
     "v1,ü", "v1,!!", "v2,AAAA", "v1,AAAA " * 40, "x" * 5_000],
)  # fmt: skip
def test_a_malformed_header_is_a_401_and_nothing_else(name: str, value: str | None) -> None:
    headers = {**signed(), name: value}
    if value is None:
        del headers[name]

    with pytest.raises((SignatureHeaderMalformed, SignatureInvalid)):
        verify([SECRET], headers=headers, body=b"{}", now=NOW)


@given(some.dictionaries(some.sampled_from([ID, TIMESTAMP, SIGNATURE]), some.text()), some.binary())
def test_no_header_makes_the_verifier_fall_over(headers: dict[str, str], body: bytes) -> None:
    with pytest.raises((SignatureHeaderMalformed, SignatureInvalid)):
        verify([SECRET, PAIR.public], headers=headers, body=body, now=NOW)


def test_several_signatures_are_one_header() -> None:
    made = signatures([SECRET, PAIR.private], message_id="a", timestamp=NOW, body=b"")

    assert [one.partition(",")[0] for one in made.split(" ")] == ["v1", "v1a"]


@pytest.mark.parametrize(
    "secret",
    ["", "whsec_", "whsec_AAAA", "whsec_" + "A" * 200, "whsec_!!", "secret", "whpk_AAAA", "whsec_ü",
     PRIVATE + "A" * 86 + "=="],
)  # fmt: skip
def test_what_is_no_secret_is_told_so(secret: str) -> None:
    with pytest.raises(SecretMalformed) as told:
        sign(secret, message_id="a", timestamp=NOW, body=b"")

    assert secret not in str(told.value) or len(secret) < 8


def test_a_public_key_does_not_sign() -> None:
    with pytest.raises(SecretMalformed, match="private"):
        sign(PAIR.public, message_id="a", timestamp=NOW, body=b"")
    assert public_of(PAIR.private) == PAIR.public


def test_a_naive_time_and_an_id_with_a_full_stop_are_not_signed() -> None:
    with pytest.raises(ValueError, match="aware"):
        sign(SECRET, message_id="a", timestamp=NOW.replace(tzinfo=None), body=b"")
    with pytest.raises(ValueError, match="full stop"):
        sign(SECRET, message_id="a.1", timestamp=NOW, body=b"")

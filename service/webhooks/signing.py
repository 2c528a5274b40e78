"""Standard Webhooks 1.0 signatures, both ways. Pure: no clock, no database, no HTTP.

What is signed is `id.timestamp.body`. A secret's text says its kind: `whsec_` is a shared secret
(HMAC-SHA256, `v1,`), `whsk_` an Ed25519 private key and `whpk_` its public half (`v1a,`); base64
follows. Source: https://github.com/standard-webhooks/standard-webhooks (spec, 1.0.0).
"""

import base64
import binascii
import hmac
import re
import secrets as randomness
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Literal, NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from service.errors import DeliveryTooOld, SignatureHeaderMalformed, SignatureInvalid

ID, TIMESTAMP, SIGNATURE = "webhook-id", "webhook-timestamp", "webhook-signature"
TOLERANCE_S = 300
SHARED, PRIVATE, PUBLIC = "whsec_", "whsk_", "whpk_"
SHARED_BYTES_MIN, SHARED_BYTES_MAX, SHARED_BYTES_NEW = 24, 64, 32
KEY_BYTES = 32
SIGNATURES_MAX = 16  # more than anybody has secrets at a time; each costs one comparison
ID_CHARACTERS_MAX = 256
HEADER_CHARACTERS_MAX = 4096

# A full stop separates the parts of what is signed, and two readings must not be possible: what we
# sign has none in its id. What others sign may, as the standard lets senders that choose their ids,
# but then nothing that JSON could begin with or quote: read with a shorter id, the body would start
# with the rest of it, and `rest.timestamp.{...}` is never JSON.
_MESSAGE_ID = re.compile(r"[!-\-/-~]{1,256}")
_GIVEN_ID = re.compile(rf"{_MESSAGE_ID.pattern}|[A-Za-z0-9._~:-]{{1,256}}")
_WHOLE_SECONDS = re.compile(r"[0-9]{1,12}")
_HMAC, _ED25519 = "v1", "v1a"


class SecretMalformed(ValueError):
    """A text that is no secret; the message says what one looks like and never shows it."""


class VerifiedMessage(NamedTuple):
    """A message whose signature holds: its id, when it was signed (UTC), and the body."""

    id: str
    signed_at: datetime
    body: bytes


class KeyPair(NamedTuple):
    """An Ed25519 pair: `private` signs and stays with us, `public` is for the receiver."""

    private: str
    public: str


@dataclass(frozen=True, slots=True)
class _Secret:
    kind: Literal["v1", "v1a"]
    shared: bytes = b""
    private: Ed25519PrivateKey | None = None
    public: Ed25519PublicKey | None = None


def new_secret() -> str:
    """Return a fresh shared secret of 32 random bytes: `whsec_...`."""
    return SHARED + base64.b64encode(randomness.token_bytes(SHARED_BYTES_NEW)).decode()


def new_ed25519() -> KeyPair:
    """Return a fresh Ed25519 pair; the private half is its seed followed by the public key."""
    key = Ed25519PrivateKey.generate()
    seed = key.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
    public = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return KeyPair(
        private=PRIVATE + base64.b64encode(seed + public).decode(),
        public=PUBLIC + base64.b64encode(public).decode(),
    )


def public_of(private: str) -> str:
    """Return the public half (`whpk_...`) of a private key. Raises SecretMalformed."""
    key = _read(private).public
    if key is None:
        raise SecretMalformed("A shared secret has no public half.")
    return PUBLIC + base64.b64encode(key.public_bytes(Encoding.Raw, PublicFormat.Raw)).decode()


def check_secret(secret: str) -> None:
    """Raise SecretMalformed unless `secret` is one of the three kinds."""
    _read(secret)


def sign(secret: str, *, message_id: str, timestamp: datetime, body: bytes) -> str:
    """Return one signature, `v1,...` or `v1a,...`. `timestamp` is aware; whole seconds are signed.

    Raises SecretMalformed, and ValueError for an id that cannot be signed or a naive time.
    """
    if _MESSAGE_ID.fullmatch(message_id) is None:
        raise ValueError(f"{message_id!r} cannot be signed: 1 to 256 visible ASCII, no full stop")
    key = _read(secret)
    content = _content(message_id, timestamp_text(timestamp), body)
    if key.kind == _HMAC:
        return f"{_HMAC},{_mac(key, content)}"
    if key.private is None:
        raise SecretMalformed("A public key only verifies; sign with the private one, whsk_...")
    return f"{_ED25519},{base64.b64encode(key.private.sign(content)).decode()}"


def signatures(secrets: Iterable[str], *, message_id: str, timestamp: datetime, body: bytes) -> str:
    """Return the value of `webhook-signature`: one signature for each secret, between spaces."""
    return " ".join(
        sign(secret, message_id=message_id, timestamp=timestamp, body=body) for secret in secrets
    )


def signed_headers(
    secrets: Iterable[str], *, message_id: str, timestamp: datetime, body: bytes
) -> dict[str, str]:
    """Return the three headers of a signed message."""
    return {
        ID: message_id,
        TIMESTAMP: timestamp_text(timestamp),
        SIGNATURE: signatures(secrets, message_id=message_id, timestamp=timestamp, body=body),
    }


def timestamp_text(at: datetime) -> str:
    """Return seconds since 1970 as they are signed. Raises ValueError for a naive time."""
    if at.tzinfo is None:
        raise ValueError("a signed time must be aware")
    return str(int(at.timestamp()))


def verify(
    secrets: Sequence[str],
    *,
    headers: Mapping[str, str],
    body: bytes,
    now: datetime,
    tolerance_s: int = TOLERANCE_S,
) -> VerifiedMessage:
    """Return the message, if one of its signatures was made with one of the secrets.

    `headers` are asked for lower-case names. Raises SignatureHeaderMalformed, SignatureInvalid,
    or DeliveryTooOld for a time more than `tolerance_s` away, before or ahead; SecretMalformed
    for a secret of ours that is none.
    """
    message_id, stamp = _header(headers, ID), _header(headers, TIMESTAMP)
    if _GIVEN_ID.fullmatch(message_id) is None:
        raise SignatureHeaderMalformed(
            f"The header {ID} must be 1 to {ID_CHARACTERS_MAX} visible ASCII characters, the same "
            "for every attempt at one message. One with a full stop may else hold only letters, "
            "digits and _ ~ : -."
        )
    if _WHOLE_SECONDS.fullmatch(stamp) is None:
        raise SignatureHeaderMalformed(
            f"The header {TIMESTAMP} must be whole seconds since 1970, e.g. 1795317921."
        )
    sent = _listed(_header(headers, SIGNATURE))
    content = _content(message_id, stamp, body)
    if not any(_matches(_read(secret), content, sent) for secret in secrets):
        raise SignatureInvalid(
            "None of the signatures was made with a secret of this address over `id.timestamp.body`"
            ". Sign the bytes that are sent, before anything parses or prints them again."
        )
    age_s = int(now.timestamp()) - int(stamp)
    if abs(age_s) > tolerance_s:
        raise DeliveryTooOld(
            f"The message was signed {abs(age_s)} seconds {'ago' if age_s > 0 else 'ahead of us'}; "
            f"{tolerance_s} are allowed. Sign each attempt anew, and check the sender's clock."
        )
    return VerifiedMessage(message_id, datetime.fromtimestamp(int(stamp), UTC), body)


def _header(headers: Mapping[str, str], name: str) -> str:
    value = headers.get(name)
    if value is None:
        raise SignatureHeaderMalformed(
            f"The header {name} is missing. A signed message carries {ID}, {TIMESTAMP} and "
            f"{SIGNATURE}."
        )
    if len(value) > HEADER_CHARACTERS_MAX:
        raise SignatureHeaderMalformed(
            f"The header {name} is longer than {HEADER_CHARACTERS_MAX} characters."
        )
    return value


def _listed(value: str) -> list[tuple[str, bytes]]:
    """Return (version, signature) pairs.

    Versions that we do not know are left out, as others do.
    """
    parts = value.split(" ")
    if len(parts) > SIGNATURES_MAX:
        raise SignatureHeaderMalformed(
            f"The header {SIGNATURE} holds more than {SIGNATURES_MAX} signatures."
        )
    found = []
    for part in parts:
        version, comma, text = part.partition(",")
        if comma and version in (_HMAC, _ED25519):
            try:
                found.append((version, base64.b64decode(text, validate=True)))
            except (binascii.Error, ValueError):
                continue  # one that cannot be read proves nothing; another may
    if not found:
        raise SignatureHeaderMalformed(
            f"The header {SIGNATURE} holds no signature that can be read. It looks like "
            "`v1,<base64>` or `v1a,<base64>`; several stand between spaces."
        )
    return found


def _matches(key: _Secret, content: bytes, sent: Sequence[tuple[str, bytes]]) -> bool:
    candidates = [signature for version, signature in sent if version == key.kind]
    if key.kind == _HMAC:
        if not candidates:
            return False
        expected = hmac.digest(key.shared, content, "sha256")
        # `any` may end early: which of several signatures holds is no secret.
        return any(hmac.compare_digest(expected, one) for one in candidates)
    assert key.public is not None
    for one in candidates:
        try:
            key.public.verify(one, content)
        except InvalidSignature:
            continue
        return True
    return False


def _content(message_id: str, stamp: str, body: bytes) -> bytes:
    return f"{message_id}.{stamp}.".encode() + body


def _mac(key: _Secret, content: bytes) -> str:
    return base64.b64encode(hmac.digest(key.shared, content, "sha256")).decode()


@lru_cache(maxsize=4096)
def _read(secret: str) -> _Secret:
    """Return a secret's parts; remembered, since decoding costs as much as signing."""
    prefix, underline, text = secret.partition("_")
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise SecretMalformed("What follows the prefix of a secret must be base64.") from error
    kind = prefix + underline
    if kind == SHARED:
        if not SHARED_BYTES_MIN <= len(raw) <= SHARED_BYTES_MAX:
            raise SecretMalformed(
                f"A shared secret holds {SHARED_BYTES_MIN} to {SHARED_BYTES_MAX} bytes."
            )
        return _Secret("v1", shared=raw)
    if kind == PUBLIC and len(raw) == KEY_BYTES:
        return _Secret("v1a", public=Ed25519PublicKey.from_public_bytes(raw))
    if kind == PRIVATE and len(raw) in (KEY_BYTES, 2 * KEY_BYTES):
        private = Ed25519PrivateKey.from_private_bytes(raw[:KEY_BYTES])
        public = private.public_key()
        if raw[KEY_BYTES:] not in (b"", public.public_bytes(Encoding.Raw, PublicFormat.Raw)):
            raise SecretMalformed("The two halves of this private key do not belong together.")
        return _Secret("v1a", private=private, public=public)
    raise SecretMalformed(
        f"A secret starts with {SHARED} (shared, {SHARED_BYTES_MIN} to {SHARED_BYTES_MAX} bytes in "
        f"base64), {PRIVATE} or {PUBLIC} (Ed25519, {KEY_BYTES} bytes)."
    )

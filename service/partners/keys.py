"""API keys: how one looks, how it is made, how it is checked. Pure; no database.

`sx_<prefix>_<secret>`, or `sx_test_<prefix>_<secret>` for the sandbox: the prefix finds the key,
the secret (32 random bytes, and a checksum over all before it) proves it. A secret of that size
needs no slow hash: SHA-256 is stored, and compared in constant time.
"""

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime
from zlib import crc32

from service.partners.caller import OWN

SCOPES = (
    "events:write",
    "events:backfill",
    "actions:read",
    "webhooks:manage",
    "people:act",
    "keys:manage",
    "auditor",
    "operator",
    "admin",
)
# What is for those who run the programme, or look at all of it; `admin` holds the others, too.
STAFF_SCOPES = frozenset(("auditor", "operator", "admin"))
# A sandbox is shared: nobody may look at all of it.
TEST_SCOPES = tuple(scope for scope in SCOPES if scope not in STAFF_SCOPES)
DEFAULT_SCOPES = ("events:write", "actions:read", "webhooks:manage")
KEY_START = "sx_"
TEST_START = "sx_test_"
_PREFIX_BYTES = 6
_SECRET_BYTES = 32
_SECRET_CHARACTERS = 2 * _SECRET_BYTES
_CHECKSUM_CHARACTERS = 8


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key just made; `text` is shown once and stored nowhere."""

    prefix: str
    text: str
    secret_sha256: bytes
    is_test: bool = False


@dataclass(frozen=True, slots=True)
class KnownKey:
    """A key as stored, with its partner's sources; each wipe of test data starts an epoch."""

    partner: str
    secret_sha256: bytes
    scopes: frozenset[str]
    sources: frozenset[str]
    expires_at: datetime | None
    revoked_at: datetime | None
    is_test: bool = False
    partner_disabled: bool = False
    test_epoch: int = 0
    quota_per_minute: int | None = None
    people: str = OWN
    people_since: datetime | None = None

    def usable(self, secret: str, now: datetime) -> bool:
        """Return whether `secret` opens this key at `now`."""
        return (
            hmac.compare_digest(hashlib.sha256(secret.encode()).digest(), self.secret_sha256)
            and is_live(now, expires_at=self.expires_at, revoked_at=self.revoked_at)
            and not self.partner_disabled
        )


@dataclass(frozen=True, slots=True)
class HeldKey:
    """What a key of a succession may, and until when."""

    scopes: frozenset[str]
    ends_at: datetime | None
    revoked_at: datetime | None


@dataclass(frozen=True, slots=True)
class Succession:
    """A key and those that succeeded it by rotation, the key itself first; none if it is unknown.

    What was made with a key is its holder's word as long as one of them is live.
    """

    keys: tuple[HeldKey, ...] = ()

    def may(self, scope: str, now: datetime) -> bool:
        """Return whether one of them is live and has `scope`; a revoked key has no successors."""
        if not self.keys or self.keys[0].revoked_at is not None:
            return False
        return any(
            is_live(now, expires_at=key.ends_at, revoked_at=key.revoked_at)
            and not key.scopes.isdisjoint((scope, "admin"))
            for key in self.keys
        )


def earliest(*times: datetime | None) -> datetime | None:
    """Return the earliest of some times; None stands for never."""
    return min((time for time in times if time is not None), default=None)


def is_live(now: datetime, *, expires_at: datetime | None, revoked_at: datetime | None) -> bool:
    """Return whether a key with these dates can be used at `now`."""
    return revoked_at is None and (expires_at is None or now < expires_at)


def make_key(*, is_test: bool = False) -> NewKey:
    """Return a fresh random key."""
    prefix, random = secrets.token_hex(_PREFIX_BYTES), secrets.token_hex(_SECRET_BYTES)
    start = f"{TEST_START if is_test else KEY_START}{prefix}_"
    secret = random + checksum(start + random)
    digest = hashlib.sha256(secret.encode()).digest()
    return NewKey(prefix=prefix, text=start + secret, secret_sha256=digest, is_test=is_test)


def split_key(text: str) -> tuple[str, str] | None:
    """Return (prefix, secret) of a key's text, or None when it does not look like one."""
    start, _, rest = text.partition("_")
    prefix, _, secret = rest.removeprefix("test_").partition("_")
    if start != "sx" or not prefix or not secret or "_" in secret:
        return None
    return prefix, secret


def checksum(text: str) -> str:
    """Return eight hexadecimal digits that a typing error changes (CRC-32).

    They protect against nothing else.
    """
    return f"{crc32(text.encode()):08x}"


def is_mistyped(text: str) -> bool:
    """Return whether a key's checksum is wrong; the database is not asked.

    The first keys had none and end after 64 characters of secret.
    """
    secret = text.rpartition("_")[2]
    if len(secret) == _SECRET_CHARACTERS:
        return False
    return checksum(text[:-_CHECKSUM_CHARACTERS]) != text[-_CHECKSUM_CHARACTERS:]

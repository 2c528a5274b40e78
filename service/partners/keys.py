"""API keys: how one looks, how it is made, how it is checked. Pure; no database.

`sx_<prefix>_<secret>`: the prefix finds the key, the secret (32 random bytes) proves it. A secret
of that size needs no slow hash: SHA-256 is stored, and compared in constant time.
"""

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime

SCOPES = (
    "events:write",
    "events:backfill",
    "actions:read",
    "points:write",
    "webhooks:manage",
    "admin",
)
KEY_START = "sx_"
_PREFIX_BYTES = 6
_SECRET_BYTES = 32


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key just made; `text` is shown once and stored nowhere."""

    prefix: str
    text: str
    secret_sha256: bytes


@dataclass(frozen=True, slots=True)
class KnownKey:
    """A key as stored, with the sources of its partner."""

    partner: str
    secret_sha256: bytes
    scopes: frozenset[str]
    sources: frozenset[str]
    expires_at: datetime | None
    revoked_at: datetime | None

    def usable(self, secret: str, now: datetime) -> bool:
        """Whether `secret` opens this key at `now`."""
        return (
            hmac.compare_digest(hashlib.sha256(secret.encode()).digest(), self.secret_sha256)
            and (self.expires_at is None or now < self.expires_at)
            and self.revoked_at is None
        )


def make_key() -> NewKey:
    """A fresh random key."""
    prefix, secret = secrets.token_hex(_PREFIX_BYTES), secrets.token_hex(_SECRET_BYTES)
    digest = hashlib.sha256(secret.encode()).digest()
    return NewKey(prefix=prefix, text=f"{KEY_START}{prefix}_{secret}", secret_sha256=digest)


def split_key(text: str) -> tuple[str, str] | None:
    """(prefix, secret) of a key's text, or None when it does not look like one."""
    parts = text.split("_")
    if len(parts) != 3 or parts[0] != "sx" or not parts[1] or not parts[2]:
        return None
    return parts[1], parts[2]

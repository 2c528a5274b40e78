"""Who a person is: a keyed hash of the subject that the app uses. The subject is not stored."""

from functools import lru_cache
from hashlib import sha256
from typing import NamedTuple
from uuid import UUID

from asyncpg.pgproto.pgproto import UUID as DriverUUID

from service.resources import SettingMissing
from service.settings import Settings

BUCKETS = 1024
KEY_BYTES = 32
PEOPLE_KEPT = 100_000  # about 30 MB a process
_BLOCK = 64  # bytes that SHA-256 takes at once


class PersonId(NamedTuple):
    """A person: `bucket` (0..1023) places the rows, `id` names the person."""

    bucket: int
    id: UUID


class PersonHasher:
    """HMAC-SHA256, cut to 16 bytes, under one key of the programme.

    `kind` keeps the hashes of people and of claims apart. The ids are the driver's own UUID class
    (a subclass of the standard one): making the standard one costs more than the hash.
    """

    def __init__(self, key: bytes) -> None:
        # The two keyed halves of HMAC (RFC 2104) are the same for every text: they are made once
        # and copied, at less than half the cost of `hmac.digest`.
        block = (key if len(key) <= _BLOCK else sha256(key).digest()).ljust(_BLOCK, b"\0")
        self._inner = sha256(bytes(byte ^ 0x36 for byte in block))
        self._outer = sha256(bytes(byte ^ 0x5C for byte in block))
        # An app speaks of the same people many times a day; in memory only, never written down.
        self._people = lru_cache(PEOPLE_KEPT)(lambda subject: self(b"person\0", subject))

    def __call__(self, kind: bytes, text: str) -> PersonId:
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(kind + text.encode())
        outer.update(inner.digest())
        digest = outer.digest()[:16]
        return PersonId(bucket_of(digest), DriverUUID(digest))

    def person(self, subject: str) -> PersonId:
        """The person whom the app calls `subject`."""
        return self._people(subject)


def hasher_of(settings: Settings) -> PersonHasher:
    """The programme's. Raises SettingMissing when its key is not set or too short."""
    if settings.person_key is None:
        raise SettingMissing(
            "SAXAUL_PERSON_KEY is not set. Make one with `openssl rand -hex 32` and keep it: with "
            "another key every person would become somebody else."
        )
    key = bytes.fromhex(settings.person_key.get_secret_value())
    if len(key) < KEY_BYTES:
        raise SettingMissing(f"SAXAUL_PERSON_KEY must be {KEY_BYTES} bytes or more, in hex.")
    return PersonHasher(key)


def bucket_of(digest: bytes) -> int:
    """The stable bucket (0..1023) of a hash: its first ten bits."""
    return int.from_bytes(digest[:2]) >> 6

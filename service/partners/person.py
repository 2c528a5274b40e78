"""Who a person is: a keyed hash of the subject that the app uses. The subject is not stored.

Pure: the key, and what makes an id of bytes, are given.
"""

from collections.abc import Callable
from functools import lru_cache
from hashlib import sha256
from typing import NamedTuple
from uuid import UUID

BUCKETS = 1024
PEOPLE_KEPT = 100_000  # about 30 MB a process
_BLOCK = 64  # bytes that SHA-256 takes at once


class PersonId(NamedTuple):
    """A person: `bucket` (0..1023) places the rows, `id` names the person."""

    bucket: int
    id: UUID


class PersonHasher:
    """HMAC-SHA256, cut to 16 bytes, under one key of the programme.

    `kind` keeps the hashes of people and of claims apart. `make_id` makes an id of 16 bytes: the
    database driver's own UUID class does, at a fraction of what the standard one costs.
    """

    def __init__(self, key: bytes, make_id: Callable[[bytes], UUID]) -> None:
        # The two keyed halves of HMAC (RFC 2104) are the same for every text: they are made once
        # and copied, at less than half the cost of `hmac.digest`.
        block = (key if len(key) <= _BLOCK else sha256(key).digest()).ljust(_BLOCK, b"\0")
        self._inner = sha256(bytes(byte ^ 0x36 for byte in block))
        self._outer = sha256(bytes(byte ^ 0x5C for byte in block))
        self._make_id = make_id
        # An app speaks of the same people many times a day; in memory only, never written down.
        self._people = lru_cache(PEOPLE_KEPT)(lambda subject: self(b"person\0", subject))

    def __call__(self, kind: bytes, text: str) -> PersonId:
        digest = self.digest(kind + text.encode())[:16]
        return PersonId(bucket_of(digest), self._make_id(digest))

    def digest(self, content: bytes) -> bytes:
        """Return the whole keyed hash of content, 32 bytes; a kind is to stand before it."""
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(content)
        outer.update(inner.digest())
        return outer.digest()

    def person(self, subject: str) -> PersonId:
        """Return the person whom the app calls `subject`."""
        return self._people(subject)


def bucket_of(digest: bytes) -> int:
    """Return the stable bucket (0..1023) of a hash: its first ten bits."""
    return int.from_bytes(digest[:2]) >> 6

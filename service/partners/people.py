"""Who a person is: a keyed hash of the subject that the app uses. The subject is not stored."""

import hmac
from dataclasses import dataclass
from hashlib import sha256
from uuid import UUID

from asyncpg.pgproto.pgproto import UUID as DriverUUID

BUCKETS = 1024


@dataclass(frozen=True, slots=True)
class PersonId:
    """A person: `bucket` (0..1023) places the rows, `id` names the person."""

    bucket: int
    id: UUID


class Hasher:
    """HMAC-SHA256, cut to 16 bytes, under one key of the programme.

    `kind` keeps the hashes of people and of claims apart. The ids are the driver's own UUID class
    (a subclass of the standard one): making the standard one costs more than the hash.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key

    def __call__(self, kind: bytes, text: str) -> PersonId:
        digest = hmac.digest(self._key, kind + text.encode(), sha256)[:16]
        return PersonId(bucket_of(digest), DriverUUID(digest))

    def person(self, subject: str) -> PersonId:
        """The person whom the app calls `subject`."""
        return self(b"person\0", subject)


def bucket_of(digest: bytes) -> int:
    """The stable bucket (0..1023) of a hash: its first ten bits."""
    return int.from_bytes(digest[:2]) >> 6

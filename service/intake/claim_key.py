"""Claims as keyed hashes: of the world, or of the partner that reports. Pure."""

from collections.abc import Mapping
from typing import NamedTuple
from uuid import UUID

from methodologies.contract import ClaimKind
from service.partners.person import PersonHasher, PersonId

UNCOUNTED = "L0"  # declared by the person alone


class Claim(NamedTuple):
    """A claim: `bucket` places the row, `id` is its key.

    `earlier` is the form under which version 0.1.0 kept what only its reporter knows, as if it were
    of the world. Such rows stay; one of the same partner's still stands for the same thing.
    """

    bucket: int
    id: UUID
    is_world: bool
    earlier: PersonId | None = None


class ClaimKeys:
    """Makes the keys of claims, by what the sheets say of their kinds."""

    def __init__(self, hasher: PersonHasher, kinds: Mapping[str, ClaimKind]) -> None:
        self._hasher = hasher
        self._kinds = kinds

    def of(
        self, claim: str, *, environment: str, partner: str, data: Mapping[str, object]
    ) -> Claim:
        """Return the key of a claim "kind:value" of an event's data that a partner reports.

        `environment` stands before all that is hashed in a sandbox, and is empty otherwise.
        """
        kind = self._kinds[claim.partition(":")[0]]
        if kind.is_world:
            issuer = "" if kind.issuer is None else f"\0{data[kind.issuer]}"
            key = self._hasher(b"claim\0", f"{environment}{claim}{issuer}")
            return Claim(key.bucket, key.id, is_world=True)
        key = self._hasher(b"reported claim\0", f"{environment}{partner}\0{claim}")
        earlier = self._hasher(b"claim\0", environment + claim)
        return Claim(key.bucket, key.id, is_world=False, earlier=earlier)

    def owner_of(self, person_id: UUID, source: str, event_id: str) -> UUID:
        """Return who owns an event's claims: a keyed hash of the names by which it is known."""
        return self._hasher(b"owner\0", f"{person_id}\0{source}\0{event_id}").id

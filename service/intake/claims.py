"""A step of a commit: the rides, orders and invoices behind events are claimed, once each."""

from collections.abc import Sequence, Set
from uuid import UUID

from service.intake import store
from service.intake.candidate import Candidate


async def take_claims(
    connection: store.Connection, new: Sequence[Candidate], ids: Sequence[UUID]
) -> set[UUID]:
    """Claim what the events claim; the ids of those that lost to somebody.

    An event owns all of its claims or none, and the first event of a batch goes first.
    """
    claims: dict[UUID, tuple[int, UUID, UUID]] = {}
    for event, action_id in zip(new, ids, strict=True):
        for claim in event.claims:
            claims.setdefault(claim.id, (claim.bucket, claim.id, action_id))
    if not claims:
        return set()
    taken = await store.take_claims(connection, sorted(claims.values()))
    owners, lost = _settle(new, ids, taken)
    moved = [
        (bucket, key, owners.get(key))
        for bucket, key, first in claims.values()
        if key not in taken and owners.get(key) != first
    ]
    if moved:
        await store.move_claims(connection, sorted(moved))
    return lost


def _settle(
    new: Sequence[Candidate], ids: Sequence[UUID], taken: Set[UUID]
) -> tuple[dict[UUID, UUID], set[UUID]]:
    """The owner of each claim that an event of the batch gets, and the ids of those that lost.

    `taken` are the claims that actions outside the batch own.
    """
    owners: dict[UUID, UUID] = {}
    lost: set[UUID] = set()
    for event, action_id in zip(new, ids, strict=True):
        keys = [claim.id for claim in event.claims]
        if any(key in taken or key in owners for key in keys):
            lost.add(action_id)
        else:
            owners.update(dict.fromkeys(keys, action_id))
    return owners, lost

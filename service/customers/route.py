"""Where a customer's events go: a waiting account, or the person who the customer is. Pure."""

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from service.partners.person import PersonHasher, PersonId, bucket_of


class Route(NamedTuple):
    """`account` takes new events; those that came before went to one of `earlier`.

    `link_id` names the consent under which `account` is a person; without one the account waits.
    """

    account: PersonId
    link_id: UUID | None
    earlier: tuple[PersonId, ...]


def account_of(account_id: UUID) -> PersonId:
    """Return the account of an id: the bucket is its first bits."""
    return PersonId(bucket_of(account_id.bytes), account_id)


def route_of(account_id: UUID, link_id: UUID | None, earlier: Sequence[UUID]) -> Route:
    """Return the route that a stored row says."""
    return Route(account_of(account_id), link_id, tuple(map(account_of, earlier)))


def next_waiting(hasher: PersonHasher, customer_id: UUID, generation: int) -> PersonId:
    """Return the account in which a customer's events wait after the end of a link.

    The first generation, 0, is the customer's own hash.
    """
    return hasher(b"waiting\0", f"{customer_id.hex}:{generation}")


def pairwise_of(hasher: PersonHasher, partner: str, account_id: UUID) -> UUID:
    """Return the name of a person, or a customer, for one partner.

    Two partners cannot join what they know by it, and none learns an account's own id.
    """
    return UUID(int=hasher(b"pairwise\0", f"{partner}\0{account_id.hex}").id.int)

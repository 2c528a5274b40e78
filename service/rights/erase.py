"""Use case: forget a person. Grams, points and trees stay, as sums of nobody."""

import os
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from service.acting import Actor, acting, this_actor
from service.audit.record import audit
from service.clock import uuid7
from service.customers.store import links_before
from service.http.pages import LAST_ID
from service.partners.person import PersonHasher, PersonId
from service.people.link import end_link
from service.rights import store
from service.webhooks.inbound.inbox import event_bucket

BUCKET_BITS = 10
LINKS_MAX = 10_000


@dataclass(frozen=True, slots=True)
class Erased:
    """What was begun, and how many actions are nobody's now."""

    erasure_id: UUID
    erased_at: datetime
    actions: int


async def erase_person(
    session: AsyncSession, person: PersonId, hasher: PersonHasher, *, now: datetime
) -> Erased:
    """Forget a person in one transaction, all but what was sent to endpoints.

    The account gets a random id in the same bucket, since the ids of actions carry it. What is
    left says who it was to nobody; their links end. `finish` removes the notices about them, and
    then the former id itself. May be done again: whoever came back is forgotten again.
    """
    for link in await links_before(session, person, before=LAST_ID, limit=LINKS_MAX):
        if link["ended_at"] is None:
            await end_link(session, person, link["link_id"], hasher, now=now)
    was_there = await store.lock(session, person, now)
    anonym, erasure_id = anonym_in(person.bucket), uuid7(now)
    await store.begin(session, person, erasure_id, now)
    with acting(_author(person, anonym)):
        await audit(session, "person.erased", f"person:{anonym}", now=now)
    events = await store.events_of(session, person)
    if events:
        pointers = [(event_bucket(*one), *one) for one in events]
        await store.forget_pointers(session, pointers)
    if not was_there:
        await store.unmake(session, person)
    actions = await store.erase(session, person, anonym, now)
    return Erased(erasure_id, now, actions)


def anonym_in(bucket: int) -> UUID:
    """Return a random id whose first ten bits are the bucket."""
    low = 128 - BUCKET_BITS
    return UUID(int=bucket << low | int.from_bytes(os.urandom(16)) & (1 << low) - 1)


def _author(person: PersonId, anonym: UUID) -> Actor:
    """Who erases: a person who forgets themself acts under what is left of them."""
    actor = this_actor()
    return Actor(actor.kind, str(anonym)) if actor.id == str(person.id) else actor

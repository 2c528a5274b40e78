"""Steps of a commit about customers: whose hint was wrong, and where earlier events went.

An event was prepared by a hint of where its customer's events go. Under the locks the truth is
seen: a waiting account that moved is closed, and a link that ended has an end in the person's own
bucket. Both are changed under the same locks.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

from service.customers.route import account_of
from service.intake import store
from service.intake.candidate import Candidate
from service.partners.person import PersonId

STALE = "This customer is being linked, or a link ends, just now: send the same request again."


async def find_stale(
    connection: store.Connection, events: Sequence[Candidate], closed: Collection[UUID]
) -> set[int]:
    """Return the events, by `id()`, that have to go to another account than they were meant for.

    One statement, and only for events of customers who are linked.
    """
    stale = {id(event) for event in events if event.person_id in closed} if closed else set()
    linked = {
        (event.bucket, event.person_id, event.link_id)
        for event in events
        if event.link_id is not None
    }
    if linked:
        standing = await store.standing_links(connection, sorted(linked))
        stale.update(
            id(event)
            for event in events
            if event.link_id is not None and event.link_id not in standing
        )
    return stale


async def former_accounts(
    connection: store.Connection, keyed: Sequence[tuple[object, Candidate]]
) -> dict[PersonId | None, tuple[PersonId, ...]]:
    """Return, by whose they were, the accounts that events of before a partner's people changed
    went to. One statement, and only where there are such events."""
    former = sorted({event.former for _, event in keyed if event.former is not None})
    if not former:
        return {}
    found = await store.customers_accounts(connection, former)
    return {one: (one, *map(account_of, found.get(one.id, ()))) for one in former}


def first_waits(
    new: Sequence[Candidate], uncounted: Collection[UUID], until: datetime
) -> dict[UUID, datetime]:
    """Return until when points wait of customers who earn for the first time now."""
    return {event.person_id: until for event in new if event.waits and event.person_id in uncounted}

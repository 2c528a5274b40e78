"""Use cases: a partner asks whose its customer is, the person says so, and may end it.

Locks are taken in one order: the code, the customer's route, then accounts by their keys. What
waits moves in the transaction of the consent.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncSession

from methodologies.leaf import leaf_of
from service.clock import uuid7
from service.customers import store
from service.customers.route import account_of, next_waiting
from service.errors import CustomerLinked, LinkCodeNotFound, LinkNotFound
from service.forest.serial import make_code, read_code
from service.intake.ids import new_salts
from service.journal.append import JournalRow, append
from service.partners.person import PersonHasher, PersonId
from service.people.consent import NEWEST
from service.people.move import Moved, move_waiting
from service.points.policy import Policy
from service.points.store import close_account, lock_accounts

CODE_LIVES = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Linked:
    """A person's link, and what moved when it was made; `is_new` is False for a repeat."""

    link: RowMapping
    moved: Moved
    is_new: bool


async def ask_for_link(
    session: AsyncSession,
    customer: PersonId,
    hasher: PersonHasher,
    *,
    partner: str,
    scenario: str,
    now: datetime,
) -> tuple[str, datetime]:
    """Return a new code by which a person may say that they are this customer, and its end."""
    code, expires_at = make_code(customer.bucket), now + CODE_LIVES
    await store.forget_codes(session, now - CODE_LIVES)
    await store.put_code(
        session,
        hasher(b"link\0", code),
        partner=partner,
        customer_id=customer.id,
        scenario=scenario,
        text_version=NEWEST,
        expires_at=expires_at,
    )
    return code, expires_at


async def find_asked(
    session: AsyncSession, typed: str, hasher: PersonHasher, *, now: datetime, lock: bool = False
) -> tuple[PersonId, RowMapping]:
    """Return a code's key and what it asks for, however it was typed. Raises LinkCodeNotFound."""
    read = read_code(typed)
    if read is not None:
        key = hasher(b"link\0", read[1])
        found = await store.find_code(session, key, lock=lock)
        if found is not None and found["expires_at"] > now:
            return key, found
    raise LinkCodeNotFound(
        f"No link has the code {typed!r}, or its ten minutes are over. Ask the partner for another."
    )


async def accept_link(
    session: AsyncSession,
    person: PersonId,
    typed: str,
    hasher: PersonHasher,
    policy: Policy,
    *,
    now: datetime,
) -> Linked:
    """Keep a person's consent as a fact and move what waits to them.

    Idempotent by code: the same person gets the same link. Raises LinkCodeNotFound, and
    CustomerLinked when the customer is another person's.
    """
    key, asked = await find_asked(session, typed, hasher, now=now, lock=True)
    customer = account_of(asked["customer_id"])
    route = await store.lock_route(session, customer, asked["partner"])
    if asked["link_id"] is not None or route["link_id"] is not None:
        again = asked["link_id"] or route["link_id"]
        link = await store.find_link(session, person, again)
        if link is None or link["ended_at"] is not None:
            raise CustomerLinked(
                "This customer is linked already, or was by this code. End that link first, and "
                "ask the partner for another code."
            )
        return Linked(link, Moved(0, 0), is_new=False)
    waiting, link_id, [salt] = account_of(route["account_id"]), uuid7(now), new_salts(1)
    await lock_accounts(session, (waiting, person), now)
    both_counted = await close_account(session, waiting, person, now)
    moved = await move_waiting(session, waiting, person, link_id=link_id, policy=policy, now=now)
    consent = {
        "partner": asked["partner"],
        "customer_id": customer.id,
        "waiting_id": waiting.id,
        "scenario": asked["scenario"],
        "text_version": asked["text_version"],
    }
    await store.put_link(session, person, link_id=link_id, salt=salt, now=now, **consent)
    await store.change_route(
        session, customer, person, link_id=link_id, generation=route["generation"]
    )
    await store.use_code(session, key, link_id)
    content = {
        "kind": "link",
        "link": link_id.hex,
        "partner": asked["partner"],
        "customer": customer.id.hex,
        "person": person.id.hex,
        "scenario": asked["scenario"],
        "text_version": asked["text_version"],
        "at": now.isoformat(),
    }
    people = -1 if both_counted else 0
    await append(session, _journal_row(person, "link", leaf_of(content, salt), people, now))
    link = await store.find_link(session, person, link_id)
    assert link is not None
    return Linked(link, moved, is_new=True)


async def end_link(
    session: AsyncSession, person: PersonId, link_id: UUID, hasher: PersonHasher, *, now: datetime
) -> UUID:
    """End a person's link, and return the customer: later events wait in another account.

    Raises LinkNotFound, also when it has ended before.
    """
    link = await store.find_link(session, person, link_id)
    if link is None:
        raise _no_link(link_id)
    customer = account_of(link["customer_id"])
    route = await store.lock_route(session, customer, link["partner"])
    if route["link_id"] != link_id:
        raise _no_link(link_id)
    generation, [salt] = route["generation"] + 1, new_salts(1)
    waiting = next_waiting(hasher, customer.id, generation)
    await lock_accounts(session, (person,), now)
    await store.put_end(session, person, link_id=link_id, salt=salt, now=now)
    await store.change_route(session, customer, waiting, link_id=None, generation=generation)
    content = {"kind": "link_end", "link": link_id.hex, "at": now.isoformat()}
    await append(session, _journal_row(person, "link_end", leaf_of(content, salt), 0, now))
    return customer.id


def _no_link(link_id: UUID) -> LinkNotFound:
    return LinkNotFound(f"You have no link {link_id} that has not ended.")


def _journal_row(
    person: PersonId, kind: str, leaf: bytes, people: int, now: datetime
) -> JournalRow:
    return JournalRow(
        bucket=person.bucket,
        batch_id=uuid7(now),
        kind=kind,
        actions=0,
        people=people,
        deltas={},
        leaves=leaf,
    )

"""Use cases: ask, accept, end and block. Each side of a friendship has a row of its own.

A person who was blocked, or who asked for a subject that nobody uses, sees a request that waits for
an answer, so that nobody learns who is a member.
"""

import secrets
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from service.errors import FieldsInvalid, FriendNotFound, FriendsFull
from service.friends import store
from service.friends.store import Side
from service.partners.person import PersonId
from service.points.store import lock_accounts

FRIENDS_MAX = 500  # friendships, requests and blocks of one person
REQUESTS_MAX = 1_000  # beyond it new requests to a person are not kept, and nobody gets a notice


async def ask_friend(
    session: AsyncSession, person: PersonId, other: PersonId, *, now: datetime
) -> Side:
    """Ask for a friendship, or accept it when the other person asked before.

    Idempotent. Raises FieldsInvalid for oneself, and FriendsFull.
    """
    if person == other:
        raise FieldsInvalid(
            "Nobody is their own friend.", (("/body/subject", "must be somebody else"),)
        )
    await lock_accounts(session, (person, other), now)
    mine = await store.side_towards(session, person, other)
    theirs = await store.side_towards(session, other, person)
    if mine is not None and mine.state in ("friends", "asked"):
        return mine
    if mine is not None and mine.state == "asking":
        return await _both(session, person, mine, now)
    if mine is None and await store.count_sides(session, person) >= FRIENDS_MAX:
        raise FriendsFull(f"A person has at most {FRIENDS_MAX} friends and requests.")
    asked = Side(other, UUID(bytes=secrets.token_bytes(16), version=4), "asked", now)
    await _put(session, person, asked)
    if theirs is None and await store.count_sides(session, other) < REQUESTS_MAX:
        await _put(session, other, replace(asked, other=person, state="asking"))
    return asked


async def accept_friend(
    session: AsyncSession, person: PersonId, friendship_id: UUID, *, now: datetime
) -> Side:
    """Accept a request. Idempotent. Raises FriendNotFound when nobody asked."""
    mine = await locked_side(session, person, friendship_id, now)
    if mine.state == "friends":
        return mine
    if mine.state != "asking":
        raise FriendNotFound("This friendship does not wait for your answer.")
    return await _both(session, person, mine, now)


async def end_friendship(
    session: AsyncSession, person: PersonId, friendship_id: UUID, *, now: datetime
) -> Side:
    """Decline, withdraw, remove or unblock, whatever there is. Raises FriendNotFound."""
    mine = await locked_side(session, person, friendship_id, now)
    await store.delete_side(session, person, mine.other)
    theirs = await store.side_towards(session, mine.other, person)
    if mine.state != "blocked" and theirs is not None and theirs.state != "blocked":
        await store.delete_side(session, mine.other, person)
    return replace(mine, state="ended", changed_at=now)


async def block_friend(
    session: AsyncSession, person: PersonId, friendship_id: UUID, *, now: datetime
) -> Side:
    """Block a person, who at most goes on seeing a request without an answer."""
    mine = await locked_side(session, person, friendship_id, now)
    blocked = replace(mine, state="blocked", changed_at=now)
    await _put(session, person, blocked)
    theirs = await store.side_towards(session, mine.other, person)
    if theirs is not None and theirs.state in ("friends", "asking"):
        await store.delete_side(session, mine.other, person)
    return blocked


async def locked_side(
    session: AsyncSession, person: PersonId, friendship_id: UUID, now: datetime
) -> Side:
    """Return a person's side, with both accounts locked. Raises FriendNotFound."""
    found = await store.side_of(session, person, friendship_id)
    if found is not None:
        await lock_accounts(session, (person, found.other), now)
        found = await store.side_of(session, person, friendship_id)
    if found is None:
        raise FriendNotFound("There is no such friendship. GET .../friends lists yours.")
    return found


async def locked_friend(
    session: AsyncSession, person: PersonId, friendship_id: UUID, now: datetime
) -> Side:
    """As `locked_side`, for those who are friends now."""
    found = await locked_side(session, person, friendship_id, now)
    if found.state != "friends":
        raise FriendNotFound("You are not friends: a request waits for its answer.")
    return found


async def _both(session: AsyncSession, person: PersonId, mine: Side, now: datetime) -> Side:
    friends = replace(mine, state="friends", changed_at=now)
    await _put(session, person, friends)
    await _put(session, mine.other, replace(friends, other=person))
    return friends


async def _put(session: AsyncSession, person: PersonId, side: Side) -> None:
    await store.put_side(
        session,
        person,
        side.other,
        friendship_id=side.friendship_id,
        state=side.state,
        now=side.changed_at,
    )

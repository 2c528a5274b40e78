"""Use case: collect from a friend, a share of what is ripe and was not collected yet."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

import orjson
from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncSession

from service.errors import FriendNotFound, FriendShielded, NothingToTake
from service.friends import store
from service.friends.befriend import locked_friend
from service.partners.person import PersonId
from service.points.policy_file import NewAccounts, Taking
from service.points.spendable import check_old_enough
from service.points.store import append_entry, balance_of

Handle = Callable[[PersonId, date, str, int], UUID]


@dataclass(frozen=True, slots=True)
class FriendEarning:
    """A friend's ripe earning as the other one sees it: not what was done, nor how much it is."""

    id: UUID
    takeable: int
    lapses_at: datetime


@dataclass(frozen=True, slots=True)
class Taken:
    """What was taken, and the taker's balance after it."""

    points: int
    balance: int


def share_of(*, points: int, gone: int, to_friends: int, uncollected: int, rules: Taking) -> int:
    """Return what one friend may take of an earning. Pure; rounded in favour of the owner.

    `gone` has lapsed or was reversed; of the rest the owner keeps the policy's part, whatever
    friends took before. A share that rounds to nothing is one point, if that part lets it.
    """
    most = (points - gone) * (100 - rules.owner_keeps_percent) // 100 - to_friends
    return max(0, min(max(1, uncollected * rules.share_percent // 100), most, uncollected))


async def see_friend(
    session: AsyncSession,
    person: PersonId,
    friendship_id: UUID,
    *,
    rules: Taking,
    handle: Handle,
    now: datetime,
) -> tuple[bool, list[FriendEarning]]:
    """Return whether a shield is up, and what is ripe at a friend's. Raises FriendNotFound."""
    side = await store.side_of(session, person, friendship_id)
    if side is None or side.state != "friends":
        raise FriendNotFound("There is no such friend. GET .../friends lists yours.")
    shielded = await _is_shielded(session, side.other, now)
    found = []
    for row in await store.open_earnings(session, side.other, person, now):
        takeable = 0 if shielded or row["taken_before"] else _share(row, rules)
        found.append(FriendEarning(_id(side.other, row, handle), takeable, row["lapses_at"]))
    return shielded, found


async def take_from_friend(
    session: AsyncSession,
    person: PersonId,
    friendship_id: UUID,
    *,
    earning: UUID | None,
    rules: Taking,
    handle: Handle,
    now: datetime,
    new_accounts: NewAccounts | None,
) -> Taken:
    """Take the share of one ripe earning of a friend, or of each; once for each.

    Raises FriendNotFound, FriendShielded, PointsPending, and NothingToTake when no point can be
    taken.
    """
    owner = (await locked_friend(session, person, friendship_id, now)).other
    if await _is_shielded(session, owner, now):
        raise FriendShielded("A shield is up: only the owner can collect for now.")
    await check_old_enough(session, owner, rules=new_accounts, now=now)
    shares = []
    for row in await store.open_earnings(session, owner, person, now):
        share = 0 if row["taken_before"] else _share(row, rules)
        if share and earning in (None, _id(owner, row, handle)):
            shares.append((row, share))
    points = sum(share for _, share in shares)
    if not points:
        raise NothingToTake(
            "Nothing is ripe here that you may take: it was collected, you took your share, or "
            "the rest is the owner's."
        )
    for row, share in shares:
        await store.take(session, owner, person, row, points=share, now=now)
    balance = await balance_of(session, person) + points
    ref = {
        "friendship_id": str(friendship_id),
        "earnings": [
            {"earning": str(_id(owner, row, handle)), "points": share} for row, share in shares
        ],
    }
    await append_entry(
        session,
        person,
        kind="take",
        points=points,
        balance_after=balance,
        ref=orjson.dumps(ref).decode(),
        now=now,
    )
    return Taken(points, balance)


def _share(row: RowMapping, rules: Taking) -> int:
    return share_of(
        points=row["points"],
        gone=row["lapsed"] + row["reversed"],
        to_friends=row["to_friends"],
        uncollected=row["uncollected"],
        rules=rules,
    )


def _id(owner: PersonId, row: RowMapping, handle: Handle) -> UUID:
    return handle(owner, row["local_day"], row["activity"], row["round"])


async def _is_shielded(session: AsyncSession, owner: PersonId, now: datetime) -> bool:
    profile = await store.profile_of(session, owner)
    until = None if profile is None else profile["shielded_until"]
    return until is not None and until > now

"""Use case: water a friend's tree: points pass from one balance to the other."""

from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

import orjson
from sqlalchemy.ext.asyncio import AsyncSession

from service.errors import FieldsInvalid, NotEnoughPoints, WateredEnough
from service.friends import store
from service.friends.befriend import locked_friend
from service.partners.person import PersonId
from service.points.policy_file import NewAccounts, Watering
from service.points.spendable import check_spendable
from service.points.store import append_entry, balance_of


@dataclass(frozen=True, slots=True)
class Watered:
    """What was given, the giver's balance after it, and how often it can be done again today."""

    points: int
    balance: int
    left_today: int


async def water_friend(
    session: AsyncSession,
    person: PersonId,
    friendship_id: UUID,
    *,
    points: int,
    rules: Watering,
    today: date,
    now: datetime,
    new_accounts: NewAccounts | None,
) -> Watered:
    """Give points to a friend, in one of the policy's sizes and as often a day as it says.

    Raises FieldsInvalid, FriendNotFound, WateredEnough, NotEnoughPoints and PointsPending.
    """
    if points not in rules.sizes:
        sizes = ", ".join(map(str, rules.sizes))
        raise FieldsInvalid(
            f"A friend is watered with {sizes} points.", (("/body/points", f"one of {sizes}"),)
        )
    friend = (await locked_friend(session, person, friendship_id, now)).other
    number = await store.watered(session, person, friend, today) + 1
    if number > rules.a_day_to_one_friend:
        raise WateredEnough(f"A friend is watered {rules.a_day_to_one_friend} times a day at most.")
    balance = await balance_of(session, person)
    if balance < points:
        raise NotEnoughPoints(f"This takes {points} points; the balance is {balance}.")
    await check_spendable(
        session, person, points=points, balance=balance, rules=new_accounts, now=now
    )
    await store.water(session, person, friend, day=today, number=number, points=points, now=now)
    theirs = await balance_of(session, friend)
    for who, change, after, direction in (
        (person, -points, balance - points, "to"),
        (friend, points, theirs + points, "from"),
    ):
        await append_entry(
            session,
            who,
            kind="gift",
            points=change,
            balance_after=after,
            ref=orjson.dumps(
                {"friendship_id": str(friendship_id), "direction": direction}
            ).decode(),
            now=now,
        )
    return Watered(points, balance - points, rules.a_day_to_one_friend - number)

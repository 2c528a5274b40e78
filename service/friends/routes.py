"""HTTP for friends: parse, call one use case, answer. No SQL, no rules."""

from datetime import date
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query
from sqlalchemy.ext.asyncio import AsyncSession

from service.friends import befriend, store
from service.friends.leaderboard import NO_NAME, Span, friends_board, region_board
from service.friends.schemas import (
    REGION,
    FriendEarningRow,
    FriendEarnings,
    FriendRank,
    FriendRequest,
    FriendRow,
    FriendsBoard,
    ProfileBody,
    ProfileRow,
    RegionLeaders,
    RegionRank,
    ShieldRow,
    TakenRow,
    TakeRequest,
    WateredRow,
    WaterRequest,
)
from service.friends.shield import raise_shield
from service.friends.store import Side
from service.friends.take import Handle, see_friend, take_from_friend
from service.friends.water import water_friend
from service.http.dependencies import AppResources, Now, Transaction
from service.http.pages import Order, Page, Paging, as_found
from service.http.problems import documented
from service.partners.dependencies import ThisCaller, ThisHasher, ThisPerson
from service.partners.idempotent import idempotent
from service.partners.person import PersonId
from service.points.dependencies import ThisNewAccounts, ThisPolicy
from service.points.policy import today_of
from service.points.policy_file import Gifts

router = APIRouter(tags=["Friends"])
_PEOPLE = "/v1/people/{subject}"
_KNOWN = documented(401, 403, 404, 422, 503)
_WRITES = documented(401, 403, 404, 409, 410, 422, 503)
_BY_FRIENDSHIP: Order[FriendRow, UUID] = Order(
    lambda row: (row.friendship_id,), lambda parts: UUID(parts[0]), UUID(int=0)
)


async def today_here(policy: ThisPolicy, now: Now) -> date:
    """Return the day that it is where the policy counts days."""
    return today_of(policy, now)


Today = Annotated[date, Depends(today_here)]


async def gifts_of(policy: ThisPolicy, today: Today) -> Gifts:
    """Return the rules of today's gifts."""
    return policy.in_force(today).gifts


async def handle_of(hasher: ThisHasher) -> Handle:
    """Return the function that names friends' earnings without their day and activity."""

    def handle(owner: PersonId, day: date, activity: str, round_: int) -> UUID:
        return hasher(b"earning\0", f"{owner.id} {day} {activity} {round_}").id

    return handle


ThisGifts = Annotated[Gifts, Depends(gifts_of)]
ThisHandle = Annotated[Handle, Depends(handle_of)]
ThisSpan = Annotated[Span, Query(description="The current week (from Monday) or month.")]
Region = Annotated[str, Path(pattern=REGION)]
State = Annotated[
    Literal["asked", "asking", "friends", "blocked"] | None, Query(description="Only these.")
]


@router.get(_PEOPLE + "/profile", responses=_KNOWN)
async def read_profile(person: ThisPerson, session: Transaction) -> ProfileRow:
    """What the person shows to friends and on leaderboards."""
    return await _profile(session, person)


def _whole(body: ProfileBody) -> str:
    """All fields of a profile, also those that were not sent: the profile is replaced."""
    return body.model_dump_json()


@router.put(_PEOPLE + "/profile", responses=_WRITES)
@idempotent("profile {whole}", "{person.id}", whole=_whole)
async def write_profile(body: ProfileBody, person: ThisPerson, session: Transaction) -> ProfileRow:
    """Replace what the person shows. Without a name others see a plain label."""
    await store.put_profile(
        session,
        person,
        display_name=body.display_name,
        region=body.region,
        is_ranked=body.is_ranked,
    )
    return await _profile(session, person)


@router.get(_PEOPLE + "/friends", responses=_KNOWN)
async def list_friends(
    person: ThisPerson,
    session: Transaction,
    page: Paging,
    state: State = None,
) -> Page[FriendRow]:
    """The person's friends, requests and blocks."""

    async def find(after: UUID, limit: int) -> list[FriendRow]:
        sides = await store.sides_after(session, person, after=after, state=state, limit=limit)
        return await _named(session, sides)

    return await page.of(_BY_FRIENDSHIP, find, as_found)


def _asked(body: FriendRequest, caller: ThisCaller, hasher: ThisHasher) -> PersonId:
    """The person whom a request is to, by the subject that the app uses."""
    return hasher.person(caller.somebody(body.subject))


@router.post(_PEOPLE + "/friends", status_code=201, responses=_WRITES)
@idempotent("ask {other.id}", "{person.id}", other=_asked)
async def ask(
    body: FriendRequest, other: PersonId, person: ThisPerson, session: Transaction, now: Now
) -> FriendRow:
    """Ask somebody, by the subject that the app uses, to be a friend; or say yes to their asking.

    The answer is the same whether anybody has that subject or not.
    """
    return await _row(session, await befriend.ask_friend(session, person, other, now=now))


@router.post(_PEOPLE + "/friends/{friendship_id}/accept", responses=_WRITES)
@idempotent("accept {friendship_id}", "{person.id}")
async def accept(
    friendship_id: UUID, person: ThisPerson, session: Transaction, now: Now
) -> FriendRow:
    """Say yes to a request."""
    side = await befriend.accept_friend(session, person, friendship_id, now=now)
    return await _row(session, side)


@router.post(_PEOPLE + "/friends/{friendship_id}/block", responses=_WRITES)
@idempotent("block {friendship_id}", "{person.id}")
async def block(
    friendship_id: UUID, person: ThisPerson, session: Transaction, now: Now
) -> FriendRow:
    """Block a friend, or somebody who asked: they see you no more and are not told."""
    side = await befriend.block_friend(session, person, friendship_id, now=now)
    return await _row(session, side)


@router.delete(_PEOPLE + "/friends/{friendship_id}", responses=_WRITES)
@idempotent("end {friendship_id}", "{person.id}")
async def end(friendship_id: UUID, person: ThisPerson, session: Transaction, now: Now) -> FriendRow:
    """Decline or withdraw a request, remove a friend, or unblock somebody."""
    side = await befriend.end_friendship(session, person, friendship_id, now=now)
    return await _row(session, side)


@router.post(_PEOPLE + "/friends/{friendship_id}/water", responses=_WRITES)
@idempotent("water {friendship_id} {body.points}", "{person.id}")
async def water(
    friendship_id: UUID,
    body: WaterRequest,
    person: ThisPerson,
    session: Transaction,
    gifts: ThisGifts,
    today: Today,
    now: Now,
    new_accounts: ThisNewAccounts,
) -> WateredRow:
    """Give points to a friend, in one of the policy's sizes, a few times a day."""
    done = await water_friend(
        session,
        person,
        friendship_id,
        points=body.points,
        rules=gifts.watering,
        today=today,
        now=now,
        new_accounts=new_accounts,
    )
    return WateredRow(points=done.points, balance=done.balance, left_today=done.left_today)


@router.get(_PEOPLE + "/friends/{friendship_id}/earnings", responses=_KNOWN)
async def friend_earnings(
    friendship_id: UUID,
    person: ThisPerson,
    session: Transaction,
    gifts: ThisGifts,
    handle: ThisHandle,
    now: Now,
) -> FriendEarnings:
    """What is ripe at a friend's, and how much of it you may take."""
    shielded, found = await see_friend(
        session, person, friendship_id, rules=gifts.taking, handle=handle, now=now
    )
    rows = [
        FriendEarningRow(earning=one.id, takeable=one.takeable, lapses_at=one.lapses_at)
        for one in found
    ]
    return FriendEarnings(shielded=shielded, data=rows)


def _earning(body: TakeRequest | None) -> UUID | None:
    """The one earning to take from, or None for all."""
    return None if body is None else body.earning


@router.post(_PEOPLE + "/friends/{friendship_id}/take", responses=_WRITES)
@idempotent("take {friendship_id} {earning}", "{person.id}", earning=_earning)
async def take(
    friendship_id: UUID,
    earning: UUID | None,
    person: ThisPerson,
    session: Transaction,
    gifts: ThisGifts,
    handle: ThisHandle,
    now: Now,
    new_accounts: ThisNewAccounts,
    body: TakeRequest | None = None,
) -> TakenRow:
    """Take your share of a friend's ripe, uncollected points: once of each earning."""
    done = await take_from_friend(
        session,
        person,
        friendship_id,
        earning=earning,
        rules=gifts.taking,
        handle=handle,
        now=now,
        new_accounts=new_accounts,
    )
    return TakenRow(points=done.points, balance=done.balance)


@router.post(_PEOPLE + "/shield", responses=_WRITES)
@idempotent("shield ", "{person.id}")
async def shield(
    person: ThisPerson,
    session: Transaction,
    gifts: ThisGifts,
    now: Now,
    new_accounts: ThisNewAccounts,
) -> ShieldRow:
    """Put a shield up, or make it last longer, for the policy's price: nobody takes meanwhile."""
    done = await raise_shield(
        session, person, rules=gifts.shield, now=now, new_accounts=new_accounts
    )
    return ShieldRow(shielded_until=done.until, points=done.points, balance=done.balance)


@router.get(_PEOPLE + "/leaderboard", responses=_KNOWN)
async def leaderboard(
    person: ThisPerson, session: Transaction, today: Today, span: ThisSpan = Span.WEEK
) -> FriendsBoard:
    """The person among their friends, by the points that actions earned."""
    lines = await friends_board(session, person, span=span, today=today)
    return FriendsBoard(
        span=span,
        starts_on=span.days(today)[0],
        data=[
            FriendRank(
                rank=one.rank,
                name=one.name,
                points=one.points,
                is_me=one.is_me,
                friendship_id=one.friendship_id,
            )
            for one in lines
        ],
    )


@router.get("/v1/leaderboards/{region}", responses=documented(422, 503))
async def leaders(
    region: Region,
    session: Transaction,
    resources: AppResources,
    today: Today,
    span: ThisSpan = Span.WEEK,
) -> RegionLeaders:
    """The leaders of a region, as of some minutes ago; withheld where only a few are ranked."""
    least = resources.settings.leaderboard_min_people
    found = await region_board(session, region=region, span=span, today=today, least_people=least)
    return RegionLeaders(
        region=region,
        span=span,
        starts_on=found.starts_on,
        withheld=found.people is None,
        least_people=least,
        people=found.people,
        data=[RegionRank(rank=o.rank, name=o.name, points=o.points) for o in found.lines],
    )


async def _row(session: AsyncSession, side: Side) -> FriendRow:
    """One side of a friendship as its person sees it."""
    (row,) = await _named(session, [side])
    return row


async def _named(session: AsyncSession, sides: list[Side]) -> list[FriendRow]:
    """Return friendships on the wire; a person who was asked has no name until they accept."""
    known = [side.other for side in sides if side.state in ("friends", "asking", "blocked")]
    names = await store.names_of(session, known)
    return [
        FriendRow(
            friendship_id=side.friendship_id,
            state=side.state,
            name=names.get(side.other.id, NO_NAME),
            since=side.changed_at,
        )
        for side in sides
    ]


async def _profile(session: AsyncSession, person: PersonId) -> ProfileRow:
    found = await store.profile_of(session, person)
    if found is None:
        return ProfileRow(shielded_until=None)
    return ProfileRow(**found)

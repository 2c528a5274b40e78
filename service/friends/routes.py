"""HTTP for friends: parse, call one use case, answer. No SQL, no rules."""

from collections.abc import Awaitable, Callable
from datetime import date
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query, Response
from pydantic import BaseModel
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
from service.http.pages import PAGE_DEFAULT, Cursor, Limit, Page, page_of, read_cursor
from service.http.problems import documented
from service.partners.dependencies import Idempotent, ThisCaller, ThisHasher, ThisPerson
from service.partners.person import PersonId
from service.points.dependencies import ThisPolicy
from service.points.policy import today_of
from service.points.policy_file import Gifts

router = APIRouter(tags=["Friends"])
_PEOPLE = "/v1/people/{subject}"
_KNOWN = documented(401, 403, 404, 422, 503)
_WRITES = documented(401, 403, 404, 409, 422, 503)
_FIRST = UUID(int=0)


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


class _Writing:
    """A write that can be repeated: its person, transaction and time."""

    def __init__(
        self, person: ThisPerson, session: Transaction, now: Now, idempotent: Idempotent
    ) -> None:
        self.person, self.session, self.now, self._idempotent = person, session, now, idempotent

    async def answer(
        self, what: str, write: Callable[[], Awaitable[BaseModel]], status: int = 200
    ) -> Response:
        """Answer with `write`, done once for each idempotency key; `what` tells requests apart."""
        return await self._idempotent(write, what, self.person.id, status=status)


Writing = Annotated[_Writing, Depends()]
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


@router.put(_PEOPLE + "/profile", response_model=ProfileRow, responses=_WRITES)
async def write_profile(body: ProfileBody, writing: Writing) -> Response:
    """Replace what the person shows. Without a name others see a plain label."""

    async def write() -> ProfileRow:
        await store.put_profile(
            writing.session,
            writing.person,
            display_name=body.display_name,
            region=body.region,
            is_ranked=body.is_ranked,
        )
        return await _profile(writing.session, writing.person)

    return await writing.answer(f"profile {body.model_dump_json()}", write)


@router.get(_PEOPLE + "/friends", responses=_KNOWN)
async def list_friends(
    person: ThisPerson,
    session: Transaction,
    state: State = None,
    limit: Limit = PAGE_DEFAULT,
    cursor: Cursor = None,
) -> Page[FriendRow]:
    """The person's friends, requests and blocks."""
    after = read_cursor(cursor, lambda parts: UUID(parts[0]), _FIRST)
    sides = await store.sides_after(session, person, after=after, state=state, limit=limit + 1)
    rows = await _named(session, sides)
    return page_of(rows, limit, lambda row: (row.friendship_id,))


@router.post(_PEOPLE + "/friends", status_code=201, response_model=FriendRow, responses=_WRITES)
async def ask(
    body: FriendRequest, writing: Writing, caller: ThisCaller, hasher: ThisHasher
) -> Response:
    """Ask somebody, by the subject that the app uses, to be a friend; or say yes to their asking.

    The answer is the same whether anybody has that subject or not.
    """
    other = hasher.person(caller.somebody(body.subject))
    return await _answer_side(
        writing,
        f"ask {other.id}",
        lambda: befriend.ask_friend(writing.session, writing.person, other, now=writing.now),
        201,
    )


@router.post(
    _PEOPLE + "/friends/{friendship_id}/accept", response_model=FriendRow, responses=_WRITES
)
async def accept(friendship_id: UUID, writing: Writing) -> Response:
    """Say yes to a request."""
    return await _answer_side(
        writing,
        f"accept {friendship_id}",
        lambda: befriend.accept_friend(
            writing.session, writing.person, friendship_id, now=writing.now
        ),
    )


@router.post(
    _PEOPLE + "/friends/{friendship_id}/block", response_model=FriendRow, responses=_WRITES
)
async def block(friendship_id: UUID, writing: Writing) -> Response:
    """Block a friend, or somebody who asked: they see you no more and are not told."""
    return await _answer_side(
        writing,
        f"block {friendship_id}",
        lambda: befriend.block_friend(
            writing.session, writing.person, friendship_id, now=writing.now
        ),
    )


@router.delete(_PEOPLE + "/friends/{friendship_id}", response_model=FriendRow, responses=_WRITES)
async def end(friendship_id: UUID, writing: Writing) -> Response:
    """Decline or withdraw a request, remove a friend, or unblock somebody."""
    return await _answer_side(
        writing,
        f"end {friendship_id}",
        lambda: befriend.end_friendship(
            writing.session, writing.person, friendship_id, now=writing.now
        ),
    )


@router.post(
    _PEOPLE + "/friends/{friendship_id}/water", response_model=WateredRow, responses=_WRITES
)
async def water(
    friendship_id: UUID, body: WaterRequest, writing: Writing, gifts: ThisGifts, today: Today
) -> Response:
    """Give points to a friend, in one of the policy's sizes, a few times a day."""

    async def write() -> WateredRow:
        done = await water_friend(
            writing.session,
            writing.person,
            friendship_id,
            points=body.points,
            rules=gifts.watering,
            today=today,
            now=writing.now,
        )
        return WateredRow(points=done.points, balance=done.balance, left_today=done.left_today)

    return await writing.answer(f"water {friendship_id} {body.points}", write)


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


@router.post(_PEOPLE + "/friends/{friendship_id}/take", response_model=TakenRow, responses=_WRITES)
async def take(
    friendship_id: UUID,
    writing: Writing,
    gifts: ThisGifts,
    handle: ThisHandle,
    body: TakeRequest | None = None,
) -> Response:
    """Take your share of a friend's ripe, uncollected points: once of each earning."""
    earning = None if body is None else body.earning

    async def write() -> TakenRow:
        done = await take_from_friend(
            writing.session,
            writing.person,
            friendship_id,
            earning=earning,
            rules=gifts.taking,
            handle=handle,
            now=writing.now,
        )
        return TakenRow(points=done.points, balance=done.balance)

    return await writing.answer(f"take {friendship_id} {earning}", write)


@router.post(_PEOPLE + "/shield", response_model=ShieldRow, responses=_WRITES)
async def shield(writing: Writing, gifts: ThisGifts) -> Response:
    """Put a shield up, or make it last longer, for the policy's price: nobody takes meanwhile."""

    async def write() -> ShieldRow:
        done = await raise_shield(
            writing.session, writing.person, rules=gifts.shield, now=writing.now
        )
        return ShieldRow(shielded_until=done.until, points=done.points, balance=done.balance)

    return await writing.answer("shield ", write)


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


async def _answer_side(
    writing: _Writing, what: str, change: Callable[[], Awaitable[Side]], status: int = 200
) -> Response:
    async def write() -> FriendRow:
        (row,) = await _named(writing.session, [await change()])
        return row

    return await writing.answer(what, write, status)


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

"""Who earned most: among friends, and in a region. Nobody's subject or id is ever shown.

Friends are added up when they are asked for. Regions are a projection that a worker makes anew;
one with fewer people than the setting says is withheld, since a rank would give a person away.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from uuid import UUID

from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncSession

from service.friends import store
from service.partners.person import PersonId

NO_NAME = "Someone"


class Span(StrEnum):
    """The days that are added up."""

    WEEK = "week"
    MONTH = "month"

    def days(self, today: date) -> tuple[date, date]:
        """Return first and last day of the week (from Monday) or month that `today` is in."""
        if self is Span.WEEK:
            first = today - timedelta(days=today.weekday())
            return first, first + timedelta(days=6)
        first = today.replace(day=1)
        return first, (first + timedelta(days=31)).replace(day=1) - timedelta(days=1)


@dataclass(frozen=True, slots=True)
class BoardLine:
    """One line of a board. Equal points share a rank."""

    rank: int
    name: str
    points: int
    is_me: bool = False
    friendship_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class RegionBoard:
    """The leaders of a region; `people` is None when the board is withheld."""

    starts_on: date
    people: int | None
    lines: tuple[BoardLine, ...]


async def friends_board(
    session: AsyncSession, person: PersonId, *, span: Span, today: date
) -> tuple[BoardLine, ...]:
    """Return a person and their friends by what they earned.

    Who opted out is seen by nobody else.
    """
    friendships = await store.friends_of(session, person)
    first, last = span.days(today)
    rows = await store.earned(session, [person, *friendships], first=first, last=last)
    shown = [row for row in rows if row["is_ranked"] or row["person_id"] == person.id]
    shown.sort(key=lambda row: (-row["points"], row["display_name"] or NO_NAME))
    ids = {one.id: friendship_id for one, friendship_id in friendships.items()}
    return tuple(
        BoardLine(
            rank=1 + sum(other["points"] > row["points"] for other in shown),
            name=row["display_name"] or NO_NAME,
            points=row["points"],
            is_me=row["person_id"] == person.id,
            friendship_id=ids.get(row["person_id"]),
        )
        for row in shown
    )


async def region_board(
    session: AsyncSession, *, region: str, span: Span, today: date, least_people: int
) -> RegionBoard:
    """Return the leaders of a region, unless fewer than `least_people` are in it."""
    first, _ = span.days(today)
    rows = [
        row
        for row in await store.board(session, span=span, region=region)
        if row["starts_on"] == first
    ]
    people = _people(rows)
    if people < least_people:
        return RegionBoard(first, None, ())
    lines = (
        BoardLine(row["rank"], row["display_name"] or NO_NAME, row["points"])
        for row in rows
        if row["is_shown"]
    )
    return RegionBoard(first, people, tuple(lines))


async def rank_regions(session: AsyncSession, today: date) -> None:
    """Make every region's boards anew; does nothing while another process makes them."""
    for span in Span:
        first, last = span.days(today)
        await store.rank(session, span=span, first=first, last=last)


def _people(rows: Sequence[RowMapping]) -> int:
    """Return how many there are, without those among the leaders who have left since."""
    return rows[0]["people"] - sum(not row["is_shown"] for row in rows) if rows else 0

"""Use case: explain every number that a person sees in a span of days.

Each earning is the sum of its actions and says where its points are; the entries lead from the
balance before the span to the one after it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import RowMapping, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession

from service.customers.store import accounts_of
from service.errors import FieldsInvalid
from service.http.times import day_of
from service.partners.person import PersonId
from service.points.policy import Policy, Rule
from service.points.store import named

LINES_MAX = 5_000

_ACTIONS = text("""
    SELECT action.action_id, action.activity, action.local_day, action.source, action.recorded_at,
           action.avoided_mg, action.points, action.outcome, action.reason,
           action.person_id <> :person AS is_linked,
           reversal.points AS reversed_points
    FROM action LEFT JOIN reversal
        ON reversal.bucket = action.bucket AND reversal.person_id = action.person_id
        AND reversal.action_id = action.action_id
    WHERE action.bucket = ANY (CAST(:buckets AS int2[]))
      AND action.person_id = ANY (CAST(:people AS uuid[]))
      AND action.local_day BETWEEN :first AND :last
      AND action.outcome IN ('credited', 'capped', 'zero')
    ORDER BY action.action_id LIMIT :limit
""")
_EARNINGS = text("""
    SELECT local_day, activity, round, points, collected, to_friends, reversed, taken_back,
           lapsed + CASE WHEN lapses_at <= :now THEN uncollected ELSE 0 END AS lapsed,
           CASE WHEN lapses_at <= :now THEN 0 ELSE uncollected END AS uncollected,
           ripens_at, lapses_at
    FROM (
        SELECT *, points - collected - lapsed - reversed - to_friends AS uncollected FROM earning
    ) AS earning
    WHERE bucket = :bucket AND person_id = :person AND local_day BETWEEN :first AND :last
      AND (actions, points) <> (0, 0)  -- a day that an action of a later day covers
    ORDER BY local_day, activity, round LIMIT :limit
""")
_ENTRIES = text("""
    SELECT entry_id, kind, points, balance_after, ref, recorded_at FROM entry
    WHERE bucket = :bucket AND person_id = :person
      AND recorded_at >= :begins AND recorded_at < :ends
    ORDER BY entry_id LIMIT :limit
""").columns(ref=JSONB)
_MOVED = text("""
    SELECT moved.link_id, moved.local_day, moved.activity, moved.points, moved.lapsed, moved.reason,
           link.partner, link.linked_at
    FROM moved_earning AS moved JOIN link USING (bucket, person_id, link_id)
    WHERE moved.bucket = :bucket AND moved.person_id = :person
      AND moved.local_day BETWEEN :first AND :last
    ORDER BY moved.link_id LIMIT :limit
""")
_BALANCE_BEFORE = text("""
    SELECT coalesce(sum(points), 0)::int8 FROM entry
    WHERE bucket = :bucket AND person_id = :person AND recorded_at < :begins
""")


@dataclass(frozen=True, slots=True)
class ExplainedEarning:
    """An earning, the rule that made it, its actions, and what of it came through links."""

    earning: RowMapping
    rule: Rule
    actions: list[RowMapping]
    moved: list[RowMapping]


@dataclass(frozen=True, slots=True)
class Explained:
    """What happened from the day `first` to the day `last`; balances before and after."""

    first: date
    last: date
    opening_balance: int
    closing_balance: int
    entries: Sequence[RowMapping]
    earnings: Sequence[ExplainedEarning]


def span_of(day: date | None, month: str | None, today: date) -> tuple[date, date]:
    """Return first and last day of what was asked for; the current month when nothing was.

    Raises FieldsInvalid for both at once, and for a month that is none.
    """
    if day is not None and month is not None:
        raise FieldsInvalid(
            "Ask for a day or for a month, not both.", (("/query/month", "leave out `day`"),)
        )
    if day is not None:
        return day, day
    try:
        first = day_of(f"{month}-01") if month else today.replace(day=1)
        return first, (first + timedelta(days=31)).replace(day=1) - timedelta(days=1)
    except (ValueError, OverflowError) as error:
        raise FieldsInvalid(
            f"There is no month {month!r}.", (("/query/month", "must be like 2026-06"),)
        ) from error


async def explain(
    session: AsyncSession,
    person: PersonId,
    policy: Policy,
    *,
    first: date,
    last: date,
    now: datetime,
) -> Explained:
    """Return the statement of a span of days. Raises FieldsInvalid when it has too many lines.

    Earnings are those of the local days; entries are taken by the day of the policy's zone.
    """
    zone = ZoneInfo(policy.in_force(last).gifts.zone)
    accounts = await accounts_of(session, person)
    parameters = named(
        person,
        buckets=[one.bucket for one in accounts],
        people=[one.id for one in accounts],
        first=first,
        last=last,
        begins=datetime.combine(first, time(), zone),
        ends=datetime.combine(last + timedelta(days=1), time(), zone),
        now=now,
        limit=LINES_MAX + 1,
    )
    actions, earnings, entries, moved = [
        (await session.execute(query, parameters)).mappings().all()
        for query in (_ACTIONS, _EARNINGS, _ENTRIES, _MOVED)
    ]
    if max(len(actions), len(earnings), len(entries)) > LINES_MAX:
        raise FieldsInvalid(
            f"The statement has more than {LINES_MAX} lines: ask for a shorter span.",
            (("/query/month", "ask for a day"),),
        )
    opening = int((await session.execute(_BALANCE_BEFORE, parameters)).scalar_one())
    return Explained(
        first=first,
        last=last,
        opening_balance=opening,
        closing_balance=opening + sum(one["points"] for one in entries),
        entries=entries,
        earnings=_with_actions(earnings, actions, moved, policy),
    )


def _with_actions(
    earnings: Sequence[RowMapping],
    actions: Sequence[RowMapping],
    moved: Sequence[RowMapping],
    policy: Policy,
) -> list[ExplainedEarning]:
    """Return earnings with their actions; an action is of the first round open when it came."""
    found = [
        ExplainedEarning(one, policy.rule(one["activity"], one["local_day"]), [], [])
        for one in earnings
    ]
    rounds: dict[tuple[date, str], list[ExplainedEarning]] = {}
    for one in found:
        rounds.setdefault((one.earning["local_day"], one.earning["activity"]), []).append(one)
    for action in actions:
        for one in rounds.get((action["local_day"], action["activity"]), ()):
            if one.earning["lapses_at"] > action["recorded_at"]:
                one.actions.append(action)
                break
    for part in moved:
        for one in rounds.get((part["local_day"], part["activity"]), ()):
            if one.earning["lapses_at"] > part["linked_at"]:
                one.moved.append(part)
                break
    return found

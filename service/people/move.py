"""Use case: what waits for a person moves to them: earnings with their days.

Points that pass a cap of the person's day or month lapse with that reason. What the actions take of
a day (their number, carbon and times) moves with them, so that the day's later events see it.
Actions are facts and stay where they are.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import RowMapping, text
from sqlalchemy.ext.asyncio import AsyncSession

from service.intake.store import add_earnings
from service.partners.person import PersonId
from service.points.policy import UNLIMITED, Awarded, Budget, Policy, is_declared, under_caps
from service.points.store import named

Key = tuple[date, str]  # a local day and an activity

_WAITING = text("""
    SELECT local_day, activity, round, actions, points, gross_mg, quantity_milli, ripens_at,
           lapses_at, legs, CASE WHEN lapses_at > :now THEN
               points - collected - lapsed - reversed - to_friends ELSE 0 END AS uncollected
    FROM earning WHERE bucket = :bucket AND person_id = :person
    ORDER BY local_day, activity, round
""")
_ACTIONS = text("""
    SELECT action.local_day, action.activity, action.points, action.evidence_level
    FROM action LEFT JOIN reversal ON reversal.bucket = action.bucket
        AND reversal.person_id = action.person_id AND reversal.action_id = action.action_id
    WHERE action.bucket = :bucket AND action.person_id = :person AND reversal.action_id IS NULL
      AND (action.points > 0 OR action.avoided_mg > 0)
      AND action.local_day BETWEEN :first AND :last
    ORDER BY action.recorded_at, action.action_id
""")
_HAD = text("""
    SELECT local_day, activity, round, actions, points, lapses_at, l0_points FROM earning
    WHERE bucket = :bucket AND person_id = :person
      AND local_day >= date_trunc('month', CAST(:first AS date))
      AND local_day < date_trunc('month', CAST(:last AS date)) + interval '1 month'
    ORDER BY local_day, activity, round
""")
_LEAVE = text("""
    UPDATE earning SET points = earning.points - gone.points, lapsed = earning.lapsed + gone.lapsed,
        actions = 0, l0_points = 0, gross_mg = 0, quantity_milli = 0, legs = NULL
    FROM unnest(CAST(:days AS date[]), CAST(:activities AS text[]), CAST(:rounds AS int2[]),
                CAST(:points AS int4[]), CAST(:lapsed AS int4[]))
        AS gone(local_day, activity, round, points, lapsed)
    WHERE bucket = :bucket AND person_id = :person AND earning.local_day = gone.local_day
      AND earning.activity = gone.activity AND earning.round = gone.round
""")
_NOTE = text("""
    INSERT INTO moved_earning (bucket, person_id, link_id, local_day, activity, waiting_id, points,
                               lapsed, reason)
    SELECT :bucket, :person, :link, local_day, activity, :waiting, points, lapsed, reason
    FROM unnest(CAST(:days AS date[]), CAST(:activities AS text[]), CAST(:points AS int4[]),
                CAST(:lapsed AS int4[]), CAST(:reasons AS text[]))
        AS input(local_day, activity, points, lapsed, reason)
""")


@dataclass(frozen=True, slots=True)
class Moved:
    """How many points moved to the person, and how many lapsed since a cap was reached."""

    points: int
    lapsed: int


@dataclass(slots=True)
class MovedDay:
    """The earnings of one day and activity: their rounds, what of each moves, and what lapses."""

    rounds: list[RowMapping] = field(default_factory=list)
    points: list[int] = field(default_factory=list)
    declared: int = 0
    lapsed: list[int] = field(default_factory=list)
    reason: str | None = None

    def take(self, earning: RowMapping, fitting: "Fitting") -> None:
        """Add a round, of which some points move; what else was left of it lapses for a reason."""
        lapsed = earning["uncollected"] - fitting.points
        self.rounds.append(earning)
        self.points.append(fitting.points)
        self.declared += fitting.declared
        self.lapsed.append(lapsed)
        if lapsed:
            self.reason = fitting.reason

    def newest(self) -> RowMapping:
        """Return the round whose times the moved points keep: the one that is open, or the last."""
        opened = [one for one in self.rounds if one["uncollected"]]
        return (opened or self.rounds)[-1]


class Fitting(NamedTuple):
    """Points that caps and budget leave, those of declared actions among them; and what cut."""

    points: int = 0
    declared: int = 0
    reason: str | None = None


class PersonsSums:
    """What a person was awarded, by day and by month, with what moves to them added."""

    def __init__(self, earnings: Iterable[RowMapping], policy: Policy) -> None:
        self._policy = policy
        self._declared: Counter[tuple[int, ...]] = Counter()
        self._days: dict[tuple[object, ...], list[int]] = {}
        self._rounds: dict[Key, tuple[int, datetime]] = {}
        for one in earnings:
            day, activity = one["local_day"], one["activity"]
            self._rounds[day, activity] = (one["round"], one["lapses_at"])
            self._add(day, activity, one["actions"], one["points"])
            self._declare(day, one["l0_points"])

    def _add(self, day: date, activity: str, actions: int, points: int) -> None:
        for key in ((day, activity), (day.year, day.month, activity)):
            sums = self._days.setdefault(key, [0, 0])
            sums[0] += actions
            sums[1] += points

    def _declare(self, day: date, points: int) -> None:
        for key in ((day.year, day.month, day.day), (day.year, day.month)):
            self._declared[key] += points

    def _budget(self, day: date, level: str) -> Budget:
        if not is_declared(level):
            return UNLIMITED
        return self._policy.in_force(day).declared._replace(
            used_day=self._declared[day.year, day.month, day.day],
            used_month=self._declared[day.year, day.month],
        )

    def fit(self, key: Key, actions: Sequence[RowMapping], left: int) -> Fitting:
        """Return how many of the points `left` of some actions the caps leave, and which cap cut.

        The actions are in their order; they count for the person from now on.
        """
        day, activity = key
        rule = self._policy.rule(activity, day)
        taken, declared, reason = 0, 0, None
        for action in actions:
            of_day = self._days.get((day, activity), (0, 0))
            of_month = self._days.get((day.year, day.month, activity), (0, 0))
            level = action["evidence_level"]
            award = under_caps(
                rule, action["points"], Awarded(*of_day, *of_month), self._budget(day, level)
            )
            given = min(award.points, left - taken)
            reason = award.cap or reason
            taken += given
            self._add(day, activity, 1, given)
            if is_declared(level):
                declared += given
                self._declare(day, given)
        return Fitting(taken, declared, reason)

    def round_of(self, key: Key, now: datetime) -> int:
        """Return the round that points of a day belong to: another one after the last lapsed."""
        if key not in self._rounds:
            return 0
        last, lapses_at = self._rounds[key]
        return last + int(lapses_at <= now)


async def move_waiting(
    session: AsyncSession,
    waiting: PersonId,
    person: PersonId,
    *,
    link_id: UUID,
    policy: Policy,
    now: datetime,
) -> Moved:
    """Move all that waits in an account to a person. Both accounts must be locked."""
    earnings = (await session.execute(_WAITING, named(waiting, now=now))).mappings().all()
    if not earnings:
        return Moved(0, 0)
    span = {"first": earnings[0]["local_day"], "last": earnings[-1]["local_day"]}
    actions: dict[Key, list[RowMapping]] = {}
    for row in (await session.execute(_ACTIONS, named(waiting, **span))).mappings():
        actions.setdefault((row["local_day"], row["activity"]), []).append(row)
    had = (await session.execute(_HAD, named(person, **span))).mappings().all()
    sums = PersonsSums(had, policy)
    days = merge(earnings, actions, sums)
    await session.execute(_LEAVE, named(waiting, **_leaving(days)))
    connection = await (await session.connection()).get_raw_connection()
    assert connection.driver_connection is not None
    await add_earnings(connection.driver_connection, list(_arriving(days, person, sums, now)))
    noted = {key: day for key, day in days.items() if any(day.points) or any(day.lapsed)}
    if noted:
        parameters = named(person, link=link_id, waiting=waiting.id, **_noting(noted))
        await session.execute(_NOTE, parameters)
    return Moved(
        sum(sum(day.points) for day in days.values()), sum(sum(day.lapsed) for day in days.values())
    )


def merge(
    earnings: Sequence[RowMapping],
    actions: Mapping[Key, Sequence[RowMapping]],
    sums: PersonsSums,
) -> dict[Key, MovedDay]:
    """Return what moves of each day and activity, in the order of their keys. Pure."""
    days: dict[Key, MovedDay] = {}
    for one in earnings:
        key = one["local_day"], one["activity"]
        fitting = Fitting()
        if one["uncollected"]:
            fitting = sums.fit(key, actions.get(key, ()), one["uncollected"])
        days.setdefault(key, MovedDay()).take(one, fitting)
    return days


def _leaving(days: Mapping[Key, MovedDay]) -> dict[str, list[Any]]:
    rows = [
        (*key, earning["round"], points, lapsed)
        for key, day in days.items()
        for earning, points, lapsed in zip(day.rounds, day.points, day.lapsed, strict=True)
    ]
    names = ("days", "activities", "rounds", "points", "lapsed")
    return dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))


def _arriving(
    days: Mapping[Key, MovedDay], person: PersonId, sums: PersonsSums, now: datetime
) -> Iterator[tuple[Any, ...]]:
    for key, day in sorted(days.items()):
        newest = day.newest()
        legs = " ".join(one["legs"] for one in day.rounds if one["legs"])
        yield (
            *person,
            *key,
            sums.round_of(key, now),
            sum(one["actions"] for one in day.rounds),
            sum(day.points),
            sum(one["gross_mg"] for one in day.rounds),
            sum(one["quantity_milli"] for one in day.rounds),
            newest["ripens_at"],
            newest["lapses_at"],
            legs or None,
            day.declared,
        )


def _noting(days: Mapping[Key, MovedDay]) -> dict[str, list[Any]]:
    rows = [(*key, sum(day.points), sum(day.lapsed), day.reason) for key, day in days.items()]
    names = ("days", "activities", "points", "lapsed", "reasons")
    return dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))

"""The one transaction: many events become facts, each answered for good.

The order of the steps is what prevents deadlock: accounts, repeats, years of things, claims,
earnings, actions, earnings, journal; each in the order of its keys.
"""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

import asyncpg

from methodologies.contract import Refusal
from methodologies.exclusive import Exclusions
from service.clock import Clock
from service.intake import store
from service.intake.address import OUTSIDE
from service.intake.candidate import Candidate
from service.intake.decide import DayKey, DayState, Decider
from service.intake.extent import YearKey, YearState, ranges_text
from service.intake.ids import ActionIds
from service.intake.legs import legs_of, legs_text
from service.intake.outcome import Answer, Outcome
from service.journal.append import APPEND, JournalRow
from service.points.policy import Policy

KNOWN_PEOPLE_MAX = 500_000  # about 100 MB; forgetting one costs an INSERT that does nothing

EventKey = tuple[UUID, str, str]


class AccountsGone(RuntimeError):
    """Accounts that were known are not there: the database was restored under our feet."""


@dataclass(slots=True)
class Committer:
    """Commits batches; remembers which accounts and months are there, so as not to make them."""

    pool: asyncpg.Pool
    policy: Policy
    clock: Clock
    exclusions: Exclusions
    _people: "OrderedDict[UUID, None]" = field(default_factory=OrderedDict)
    _months: set[int] = field(default_factory=set)

    async def commit(self, events: Sequence[Candidate], batch_id: UUID) -> list[Answer]:
        """Record the events in one transaction; the answers in their order.

        Idempotent by `batch_id`: after a lost connection the same call either finds its own
        facts and gives the same answers, or records them now.
        """
        async with self.pool.acquire() as connection:
            await self._open_months(connection, events)
            people = {event.person_id: event.bucket for event in events}
            ordered = sorted((bucket, person) for person, bucket in people.items())
            async with connection.transaction():
                answers = await self._record(connection, events, ordered, batch_id)
            self._remember(ordered)
            return answers

    async def _record(
        self,
        connection: store.Connection,
        events: Sequence[Candidate],
        people: Sequence[tuple[int, UUID]],
        batch_id: UUID,
    ) -> list[Answer]:
        now = self.clock()
        uncounted = await self._lock(connection, people, now)
        first, repeats = await _find_repeats(connection, events)
        new = [event for key, event in first.items() if key not in repeats]
        outcomes = dict(repeats)
        if new:
            recorded = await self._append(connection, new, batch_id, now, uncounted)
            outcomes.update(zip(map(key_of, new), recorded, strict=True))
        return _answers(events, first, outcomes, batch_id)

    async def _lock(
        self, connection: store.Connection, people: Sequence[tuple[int, UUID]], now: datetime
    ) -> set[UUID]:
        """Lock the accounts, making missing ones; the people who were never counted."""
        unknown = [one for one in people if one[1] not in self._people]
        if unknown:
            await store.create_accounts(connection, *_columns(unknown), now)
        found, uncounted = await store.lock_accounts(connection, *_columns(people))
        if found != len(people):
            self._people.clear()
            raise AccountsGone(f"{len(people) - found} known accounts are missing")
        return uncounted

    async def _append(
        self,
        connection: store.Connection,
        new: Sequence[Candidate],
        batch_id: UUID,
        now: datetime,
        uncounted: set[UUID],
    ) -> list[Outcome]:
        years = await _lock_years(connection, new)
        days = await _earned(connection, new, sorted(self.exclusions.activities), now)
        decider = Decider(
            self.policy,
            batch_id=batch_id,
            now=now,
            days=days,
            years=years,
            exclusions=self.exclusions,
        )
        made = ActionIds(now, len(new))
        ids = [made.take(event.bucket, event.month) for event in new]
        lost = await _claim(connection, new, ids)
        outcomes = [
            decider.decide(event, action_id, claimed=action_id in lost)
            for event, action_id in zip(new, ids, strict=True)
        ]
        decided = decider.decided
        await store.copy_actions(connection, decided.rows)
        earnings = [
            (*key, day.round, day.new_actions, day.new_points, day.new_gross_mg,
             day.new_quantity_milli, day.ripens_at, day.lapses_at, legs_text(day.new_legs))
            for key, day in decided.days.items() if day.new_actions or day.is_covered
        ]  # fmt: skip
        if earnings:
            earnings.sort()
            await store.add_earnings(connection, earnings)
        used = [
            (*key, year.new_quantity_milli, ranges_text(year.new_days))
            for key, year in sorted(years.items()) if year.new_quantity_milli
        ]  # fmt: skip
        if used:
            await store.use_years(connection, used)
        people = sorted((b, person) for person, b in decided.counted.items() if person in uncounted)
        if people:
            await store.mark_counted(connection, people)
        row = JournalRow(
            bucket=min(event.bucket for event in new),
            batch_id=batch_id,
            kind="intake",
            actions=len(new),
            people=len(people),
            deltas=decided.deltas,
            leaves=b"".join(decided.leaves),
        )
        await connection.execute(APPEND, *row.values())
        return outcomes

    async def _open_months(self, connection: store.Connection, events: Sequence[Candidate]) -> None:
        months = {event.month for event in events} - self._months - {OUTSIDE}
        if months:
            async with connection.transaction():
                await store.open_months(connection, sorted(months))
            self._months |= months

    def _remember(self, people: Sequence[tuple[int, UUID]]) -> None:
        self._people.update((person, None) for _, person in people)
        while len(self._people) > KNOWN_PEOPLE_MAX:
            self._people.popitem(last=False)


def key_of(event: Candidate) -> EventKey:
    """Return the key of an event: person, source and id."""
    return event.person_id, event.source, event.event_id


def _columns(people: Sequence[tuple[int, UUID]]) -> tuple[list[int], list[UUID]]:
    return [bucket for bucket, _ in people], [person for _, person in people]


async def _find_repeats(
    connection: store.Connection, events: Sequence[Candidate]
) -> tuple[dict[EventKey, Candidate], dict[EventKey, Outcome]]:
    """The first event of each name in the batch, and what is recorded under those names."""
    first: dict[EventKey, Candidate] = {}
    by_month: dict[int, list[tuple[int, UUID, str, str]]] = {}
    for event in events:
        if first.setdefault(key_of(event), event) is event:
            by_month.setdefault(event.month, []).append(
                (event.bucket, event.person_id, event.source, event.event_id)
            )
    repeats: dict[EventKey, Outcome] = {}
    for month, keys in by_month.items():
        for ordinal, outcome in await store.find_repeats(connection, month, keys):
            repeats[keys[ordinal - 1][1:]] = outcome
    return first, repeats


async def _lock_years(
    connection: store.Connection, new: Sequence[Candidate]
) -> dict[YearKey, YearState]:
    """Lock the years of the things that a sheet limits; what is taken of each, by whomever."""
    partners = {
        key: event.partner
        for event in new
        if event.extent is not None
        for key in event.extent.years(event.local_day)
    }
    if not partners:
        return {}
    rows = await store.lock_years(connection, [(*key, partners[key]) for key in sorted(partners)])
    return {
        (row["bucket"], row["thing_key"], row["year"]): YearState(
            row["quantity_milli"],
            {
                days.lower + timedelta(days=after)
                for days in row["days"]
                for after in range((days.upper - days.lower).days)
            },
        )
        for row in rows
    }


async def _earned(
    connection: store.Connection,
    new: Sequence[Candidate],
    rivals: Sequence[str],
    now: datetime,
) -> dict[DayKey, DayState]:
    """What is recorded for every person, day and activity of the events that may be credited."""
    days = {
        (event.bucket, event.person_id, event.local_day, event.activity): DayState()
        for event in new
        if not isinstance(event.result, Refusal)
    }
    for event in new:
        if event.extent is not None:
            for day in event.extent.days:
                days[event.bucket, event.person_id, day, event.activity] = DayState()
    if not days:
        return days
    keys = list(days)
    for row in await store.earned(connection, keys, rivals):
        days[keys[row["ordinal"] - 1]] = DayState(
            actions=row["actions"] or 0,
            points=row["points"] or 0,
            gross_mg=row["gross_mg"] or 0,
            quantity_milli=row["quantity_milli"] or 0,
            month_actions=row["month_actions"] or 0,
            month_points=row["month_points"] or 0,
            rivals_in_day=frozenset(row["rivals_in_day"] or ()),
            rivals_in_month=frozenset(row["rivals_in_month"] or ()),
            legs=legs_of(row["legs"]),
            is_taken=row["round"] is not None,
            round=_round(row, now),
        )
    return days


def _round(row: asyncpg.Record, now: datetime) -> int:
    """The round that new points of a day belong to: another one after the last has lapsed."""
    if row["round"] is None:
        return 0
    return int(row["round"]) + int(row["lapses_at"] <= now)


async def _claim(
    connection: store.Connection, new: Sequence[Candidate], ids: Sequence[UUID]
) -> set[UUID]:
    """Claim what the events claim; the ids of those that lost to somebody.

    An event owns all of its claims or none, and the first event of a batch goes first.
    """
    claims: dict[UUID, tuple[int, UUID, UUID]] = {}
    for event, action_id in zip(new, ids, strict=True):
        for claim in event.claims:
            claims.setdefault(claim.id, (claim.bucket, claim.id, action_id))
    if not claims:
        return set()
    taken = await store.take_claims(connection, sorted(claims.values()))
    owners: dict[UUID, UUID] = {}
    lost: set[UUID] = set()
    for event, action_id in zip(new, ids, strict=True):
        keys = [claim.id for claim in event.claims]
        if any(key in taken or key in owners for key in keys):
            lost.add(action_id)
        else:
            owners.update(dict.fromkeys(keys, action_id))
    moved = [
        (bucket, key, owners.get(key))
        for bucket, key, first in claims.values()
        if key not in taken and owners.get(key) != first
    ]
    if moved:
        await store.move_claims(connection, sorted(moved))
    return lost


def _answers(
    events: Sequence[Candidate],
    first: dict[EventKey, Candidate],
    outcomes: dict[EventKey, Outcome],
    batch_id: UUID,
) -> list[Answer]:
    answers = []
    for event in events:
        key = key_of(event)
        outcome = outcomes[key]
        is_first = first[key] is event and outcome.batch_id == batch_id
        answers.append(
            Answer(outcome, duplicate=not is_first, conflict=outcome.digest != event.digest)
        )
    return answers

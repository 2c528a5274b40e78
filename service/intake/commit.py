"""The one transaction: many events become facts, each answered for good.

Its steps, each a function: lock accounts, find repeats, lock the years of things, read earnings,
take claims, decide, write actions, add to earnings, take from the years, mark who is counted,
append the journal row. Each takes its locks in the order of its keys, and all transactions go
through the steps in this order: so two of them cannot wait for each other.
"""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

import asyncpg

from methodologies.exclusive import Exclusions
from service.clock import Clock
from service.errors import PersonErased, RouteStale
from service.intake import store
from service.intake.address import OUTSIDE
from service.intake.candidate import Candidate
from service.intake.claims import take_claims
from service.intake.decide import Decided, Decider
from service.intake.earnings import add_earnings, read_earnings
from service.intake.ids import ActionIds, new_salts
from service.intake.outcome import Answer, Outcome
from service.intake.routing import STALE, find_stale, first_waits, former_accounts
from service.intake.years import lock_years, use_years
from service.journal.append import APPEND, JournalRow
from service.partners.person import PersonId
from service.points.policy import Policy

KNOWN_PEOPLE_MAX = 500_000  # about 100 MB; forgetting one costs an INSERT that does nothing

EventKey = tuple[UUID, str, str]


ERASED = (
    "The person asked to be forgotten after this happened, and it is forgotten with them. Do not "
    "send it again; what they do from now on may be reported."
)


class _Late(Exception):
    """Events of people who were erased later; `events` are their identities in memory."""

    def __init__(self, events: set[int]) -> None:
        super().__init__()
        self.events = events


class AccountsGone(RuntimeError):
    """Accounts that were known are not there: the database was restored under our feet."""


@dataclass(slots=True)
class Committer:
    """Commits batches; remembers which accounts and months are there, so as not to make them.

    What a customer earns does not lapse until `waiting` after the first of it.
    """

    pool: asyncpg.Pool
    policy: Policy
    clock: Clock
    exclusions: Exclusions
    waiting: timedelta = timedelta(days=30)
    _people: "OrderedDict[UUID, None]" = field(default_factory=OrderedDict)
    _months: set[int] = field(default_factory=set)

    async def commit(
        self, events: Sequence[Candidate], batch_id: UUID
    ) -> list[Answer | PersonErased | RouteStale]:
        """Record the events in one transaction; the answers in their order.

        Events of before their person was erased are answered by that, and not recorded. RouteStale
        is the answer to an event whose customer's events go elsewhere by now.
        Idempotent by `batch_id`: after a lost connection the same call either finds its own
        facts and gives the same answers, or records them now.
        """
        try:
            return [*await self._commit(events, batch_id)]
        except _Late as late:
            living = [event for event in events if id(event) not in late.events]
            answers = iter(await self._commit(living, batch_id) if living else ())
            return [PersonErased(ERASED) if id(e) in late.events else next(answers) for e in events]

    async def _commit(
        self, events: Sequence[Candidate], batch_id: UUID
    ) -> list[Answer | RouteStale]:
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
    ) -> list[Answer | RouteStale]:
        now = self.clock()
        locked = await self._lock_accounts(connection, people, now)
        erased = dict(locked.erased)
        earlier = sorted({person for event in events for person in before_of(event)})
        if earlier:
            erased |= await store.tombstones(connection, earlier)
        if erased:
            _refuse_late(events, erased)
        stale = await find_stale(connection, events, locked.closed)
        keyed = [(key_of(event), event) for event in events if id(event) not in stale]
        first, outcomes = await _find_repeats(connection, keyed)
        new = {key: event for key, event in first.items() if key not in outcomes}
        if new:
            recorded = await self._append(connection, [*new.values()], batch_id, now, locked)
            outcomes.update(zip(new, recorded, strict=True))
        answers = iter(_answers(keyed, first, outcomes, batch_id))
        return [RouteStale(STALE) if id(event) in stale else next(answers) for event in events]

    async def _lock_accounts(
        self, connection: store.Connection, people: Sequence[tuple[int, UUID]], now: datetime
    ) -> store.Locked:
        """Lock the accounts, making missing ones, and return what their rows say."""
        unknown = [one for one in people if one[1] not in self._people]
        if unknown:
            await store.create_accounts(connection, *_columns(unknown), now)
        locked = await store.lock_accounts(connection, *_columns(people), now)
        if locked.found != len(people):
            self._people.clear()
            raise AccountsGone(f"{len(people) - locked.found} known accounts are missing")
        return locked

    async def _append(
        self,
        connection: store.Connection,
        new: Sequence[Candidate],
        batch_id: UUID,
        now: datetime,
        locked: store.Locked,
    ) -> list[Outcome]:
        """Decide new events and write what they become; their outcomes in their order."""
        waits_until = first_waits(new, locked.uncounted, now + self.waiting)
        years = await lock_years(connection, new)
        days = await read_earnings(connection, new, sorted(self.exclusions.activities), now)
        ids = ActionIds(now, len(new))
        action_ids = [ids.take(event.bucket, event.month) for event in new]
        claimed = await take_claims(connection, new, action_ids)
        decider = Decider(
            self.policy,
            batch_id=batch_id,
            now=now,
            days=days,
            years=years,
            exclusions=self.exclusions,
            waits_until={**locked.waits_until, **waits_until},
        )
        for event, action_id, salt in zip(new, action_ids, new_salts(len(new)), strict=True):
            decider.decide(event, action_id, salt=salt, claimed=action_id in claimed.lost)
        decided = decider.decided
        await store.copy_actions(connection, decided.rows)
        await add_earnings(connection, days)
        await use_years(connection, years)
        people = await _mark_counted(connection, decided.counted, locked.uncounted, waits_until)
        await _append_journal(connection, new, decided, batch_id=batch_id, people=people)
        return decided.outcomes

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


def before_of(event: Candidate) -> tuple[PersonId, ...]:
    """Return the accounts that an event may have gone to before, as its candidate knows them."""
    return event.earlier if event.former is None else (*event.earlier, event.former)


def _refuse_late(events: Sequence[Candidate], erased: Mapping[UUID, datetime]) -> None:
    """Raise _Late for events of before their person was erased, under any of their accounts."""
    late = {
        id(event)
        for event in events
        for person in (event.person_id, *(one.id for one in before_of(event)))
        if person in erased and event.occurred_at < erased[person]
    }
    if late:
        raise _Late(late)


def _columns(people: Sequence[tuple[int, UUID]]) -> tuple[list[int], list[UUID]]:
    return [bucket for bucket, _ in people], [person for _, person in people]


async def _find_repeats(
    connection: store.Connection, keyed: Sequence[tuple[EventKey, Candidate]]
) -> tuple[dict[EventKey, Candidate], dict[EventKey, Outcome]]:
    """The first event of each name in the batch, and what is recorded under those names.

    An event is looked for in the accounts that it may have gone to earlier, too.
    """
    first: dict[EventKey, Candidate] = {}
    by_month: dict[int, list[tuple[EventKey, tuple[int, UUID, str, str]]]] = {}
    former = await former_accounts(connection, keyed)
    for key, event in keyed:
        if first.setdefault(key, event) is event:
            looked_for = by_month.setdefault(event.month, [])
            looked_for.append((key, (event.bucket, *key)))
            for bucket, person in (*event.earlier, *former.get(event.former, ())):
                if person != event.person_id:
                    looked_for.append((key, (bucket, person, event.source, event.event_id)))
    repeats: dict[EventKey, Outcome] = {}
    for month, looked_for in by_month.items():
        rows = [row for _, row in looked_for]
        for ordinal, outcome in await store.find_repeats(connection, month, rows):
            repeats[looked_for[ordinal - 1][0]] = outcome
    return first, repeats


async def _mark_counted(
    connection: store.Connection,
    counted: Mapping[UUID, int],
    uncounted: set[UUID],
    waits_until: Mapping[UUID, datetime],
) -> int:
    """Remember who of these people (with their buckets) was counted for the first time: how many
    they are."""
    people = sorted((bucket, person) for person, bucket in counted.items() if person in uncounted)
    if people:
        rows = [(bucket, person, waits_until.get(person)) for bucket, person in people]
        await store.mark_counted(connection, rows)
    return len(people)


async def _append_journal(
    connection: store.Connection,
    new: Sequence[Candidate],
    decided: Decided,
    *,
    batch_id: UUID,
    people: int,
) -> None:
    """Tell the projectors what the batch adds to the totals, `people` new ones among it."""
    row = JournalRow(
        bucket=min(event.bucket for event in new),
        batch_id=batch_id,
        kind="intake",
        actions=len(new),
        people=people,
        deltas=decided.deltas,
        leaves=b"".join(decided.leaves),
    )
    await connection.execute(APPEND, *row.values())


def _answers(
    keyed: Sequence[tuple[EventKey, Candidate]],
    first: dict[EventKey, Candidate],
    outcomes: dict[EventKey, Outcome],
    batch_id: UUID,
) -> list[Answer]:
    answers = []
    for key, event in keyed:
        outcome = outcomes[key]
        is_first = first[key] is event and outcome.batch_id == batch_id
        answers.append(
            Answer(outcome, duplicate=not is_first, conflict=outcome.digest != event.digest)
        )
    return answers

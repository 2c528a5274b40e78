"""Use case: report events. Each gets the answer that is final, or its own problem."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime

from service.clock import Clock
from service.customers.hints import RouteHints
from service.errors import EventConflict, RouteStale, ServiceError, Unavailable
from service.intake.candidate import Assessor, Candidate
from service.intake.event import CloudEvent, InvalidEvent
from service.intake.lane import Lane, Reply, full
from service.intake.outcome import Answer
from service.partners.caller import Caller

BREATH_EVENTS = 100  # about 5 ms of preparing
REROUTES_MAX = 5  # each needs another change of the same customer in between
DRAIN_LIMIT_S = 25.0  # a supervisor waits 30 s before it insists


@dataclass(frozen=True, slots=True)
class Rejected:
    """An event that was not recorded, and why."""

    source: str | None
    id: str | None
    error: Exception


Result = Answer | Rejected
Indexed = tuple[int, CloudEvent | InvalidEvent]  # an event and its place in the request


@dataclass(slots=True)
class Intake:
    """The lanes of this process and what prepares events for them."""

    assessor: Assessor
    lanes: tuple[Lane, ...]
    clock: Clock
    routes: RouteHints | None = None
    _preparing: int = 0

    def queued_events(self) -> int:
        """Return how many events wait in the lanes, or are being committed."""
        return sum(lane.depth for lane in self.lanes)

    def need_room(self, events: int = 1) -> None:
        """Raise LaneFull when the lanes cannot take so many more events, or not in time.

        Call it before work on the events, which would cost those that are accepted.
        """
        waiting = self._preparing + self.queued_events()
        fits = waiting + events <= sum(lane.queue_events for lane in self.lanes)
        if not fits or waiting >= sum(lane.room_events for lane in self.lanes):
            raise full(waiting)

    async def report(
        self, events: Sequence[CloudEvent | InvalidEvent], caller: Caller
    ) -> list[Result]:
        """Record events, and return the results in their order.

        Idempotent by (source, person, id) and content. Raises Unavailable when nothing of the
        request was recorded, so that it can be sent again whole.
        """
        caller.need("events:write")
        results: list[Result | None] = [None] * len(events)
        await self._record(list(enumerate(events)), results, caller)
        for _ in range(REROUTES_MAX):
            again = [(at, events[at]) for at, result in enumerate(results) if _is_stale(result)]
            if not again:
                break
            await self._refresh([event for _, event in again], caller)
            await self._record(again, results, caller)
        done = [result for result in results if result is not None]
        assert len(done) == len(events)
        _refuse_if_nothing_was_recorded(done)
        return done

    async def _record(
        self, indexed: Sequence[Indexed], results: list[Result | None], caller: Caller
    ) -> None:
        """Prepare and commit some of a request's events, and put their results in their places."""
        sound = sum(not isinstance(event, InvalidEvent) for _, event in indexed)
        if sound:
            self.need_room(sound)
        self._preparing += sound
        try:
            by_lane = await self._prepare_all(indexed, results, caller)
        finally:
            self._preparing -= sound
        await _commit(by_lane, results)

    async def _refresh(self, events: Sequence[CloudEvent | InvalidEvent], caller: Caller) -> None:
        """Read where the events of these customers go, since a hint was wrong."""
        assert self.routes is not None, "a route is stale only where there are hints"
        hasher = self.assessor.hasher
        subjects = {event.subject for event in events if isinstance(event, CloudEvent)}
        await self.routes.refresh([hasher.person(caller.subject_for(one)) for one in subjects])

    async def _prepare_all(
        self, indexed: Sequence[Indexed], results: list[Result | None], caller: Caller
    ) -> dict[Lane, list[tuple[int, Candidate]]]:
        """Return each lane's candidates with their indexes; those that are none have results."""
        now = self.clock()
        by_lane: dict[Lane, list[tuple[int, Candidate]]] = {}
        for number, (index, event) in enumerate(indexed):
            if number % BREATH_EVENTS == BREATH_EVENTS - 1:
                await asyncio.sleep(0)  # a large batch must not keep a single event waiting
            prepared = self._prepare(event, caller, now)
            if isinstance(prepared, Rejected):
                results[index] = prepared
            else:
                lane = self.lanes[prepared.bucket % len(self.lanes)]
                by_lane.setdefault(lane, []).append((index, prepared))
        return by_lane

    def _prepare(
        self, event: CloudEvent | InvalidEvent, caller: Caller, now: datetime
    ) -> Candidate | Rejected:
        if isinstance(event, InvalidEvent):
            return Rejected(event.source, event.id, event.error)
        try:
            return self.assessor.candidate(event, caller, now)
        except ServiceError as error:
            return Rejected(event.source, event.id, error)


async def _commit(
    by_lane: dict[Lane, list[tuple[int, Candidate]]], results: list[Result | None]
) -> None:
    """Queue each lane's share and wait for all answers; events that a lane refuses are Rejected."""
    replies: list[tuple[list[tuple[int, Candidate]], Reply]] = []
    for lane, indexed in by_lane.items():
        try:
            replies.append((indexed, lane.put([event for _, event in indexed])))
        except Unavailable as error:
            for index, event in indexed:
                results[index] = Rejected(event.source, event.event_id, error)
    for indexed, reply in replies:
        for (index, event), answer in zip(indexed, await reply, strict=True):
            results[index] = _result(event, answer)


def _is_stale(result: Result | None) -> bool:
    return isinstance(result, Rejected) and isinstance(result.error, RouteStale)


def _refuse_if_nothing_was_recorded(results: Sequence[Result]) -> None:
    """Raise Unavailable when every event met the same outage."""
    if results and all(isinstance(r, Rejected) for r in results):
        away = [r.error for r in results if isinstance(r, Rejected)]
        if isinstance(away[0], Unavailable) and all(type(e) is type(away[0]) for e in away):
            raise away[0]


def _result(event: Candidate, answer: Answer | Exception) -> Result:
    if isinstance(answer, Exception):
        return Rejected(event.source, event.event_id, answer)
    if answer.conflict:
        return Rejected(
            event.source,
            event.event_id,
            EventConflict(
                f"The event {event.event_id!r} of {event.source!r} is recorded for this person "
                "with other content. The first one stands; a new event needs a new id.",
                (("/id", "is recorded with other content"),),
            ),
        )
    return answer


@asynccontextmanager
async def running(intake: Intake) -> AsyncIterator[Intake]:
    """Run the lanes while the block runs; at its end answer all events that were taken."""
    tasks = [asyncio.create_task(lane.run(), name="lane") for lane in intake.lanes]
    try:
        yield intake
    finally:
        for lane in intake.lanes:
            lane.close()
        await asyncio.wait(tasks, timeout=DRAIN_LIMIT_S)

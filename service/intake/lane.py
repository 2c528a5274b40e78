"""Group commit without a timer: while one batch commits, the next one fills up.

A lane is a door: it decides when a transaction runs, tries again after an outage, and keeps one
event that cannot be stored from failing its neighbours.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from uuid import UUID

import asyncpg

from service.clock import Clock, seconds, uuid7
from service.errors import DatabaseAway, LaneFull, ShuttingDown
from service.intake.candidate import Candidate
from service.intake.commit import AccountsGone
from service.intake.outcome import Answer

TRIES = 6
FIRST_PAUSE_S = 0.1  # doubles with each try: 0.1 + 0.2 + ... + 1.6 s, then the callers get an error
COMMIT_LIMIT_S = 30.0
PACE_SHARE = 0.05  # of the largest commit: smaller ones do not show how quick a busy lane is
FRESH_SHARE = 0.3  # weight of the newest such commit in the pace

# What another try may mend: connections that broke, a server that starts or stops, deadlocks.
PASSING = (
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.OperatorInterventionError,
    asyncpg.TransactionRollbackError,
    asyncpg.InsufficientResourcesError,
    AccountsGone,
    ConnectionError,
    TimeoutError,
    OSError,
)

Commit = Callable[[Sequence[Candidate], UUID], Awaitable[Sequence[Answer | Exception]]]
Reply = asyncio.Future[list[Answer | Exception]]

_log = logging.getLogger(__name__)


def full(waiting: int) -> LaneFull:
    """Return the error for events that find no room in a lane."""
    return LaneFull(
        f"{waiting} events are waiting already; send the same request again in a "
        "second. Events that were recorded are answered as duplicates."
    )


class Lane:
    """One serial queue for a share of the people; `run` is its only committer."""

    def __init__(
        self,
        commit: Commit,
        clock: Clock,
        observe: Callable[[int, float], None],
        *,
        queue_events: int,
        queue_seconds: float,
        batch_events: int,
    ) -> None:
        """`observe` is called after each commit with its events and its seconds with all tries.

        `queue_events` bounds the memory, `queue_seconds` how long events wait.
        """
        self._commit = commit
        self._clock = clock
        self._observe = observe
        self.queue_events = queue_events
        self._queue_seconds = queue_seconds
        self._pace_s = 0.0  # seconds an event; 0 is not known yet
        self._batch_events = batch_events
        self._waiting: deque[tuple[Sequence[Candidate], Reply]] = deque()
        self._depth = 0
        self._wake = asyncio.Event()
        self._closing = False

    @property
    def depth(self) -> int:
        """Events that wait or are being committed."""
        return self._depth

    @property
    def room_events(self) -> int:
        """How many events may be here before new ones should be sent away unread.

        What the lane commits in `queue_seconds` at its pace of late: more would wait longer.
        """
        if not self._pace_s:
            return self.queue_events
        return min(self.queue_events, max(1, int(self._queue_seconds / self._pace_s)))

    def put(self, events: Sequence[Candidate]) -> Reply:
        """Queue events; the returned future has an answer for each, or its error.

        Raises LaneFull before memory grows, and ShuttingDown once the lane drains.
        """
        if self._closing:
            raise ShuttingDown("This process is stopping; send the same request again.")
        if self._depth + len(events) > self.queue_events:
            raise full(self._depth)
        reply: Reply = asyncio.get_running_loop().create_future()
        self._waiting.append((events, reply))
        self._depth += len(events)
        self._wake.set()
        return reply

    def close(self) -> None:
        """Take no more events; `run` returns once all that were taken are answered."""
        self._closing = True
        self._wake.set()

    async def run(self) -> None:
        """Commit until closed and empty."""
        while True:
            if not self._waiting:
                if self._closing:
                    return
                self._wake.clear()
                await self._wake.wait()
                continue
            taken = self._take()
            events = [event for some, _ in taken for event in some]
            started = seconds()
            answers = await self._answer(events, uuid7(self._clock()))
            took_s = seconds() - started
            self._observe(len(events), took_s)
            self._note_pace(len(events), took_s)
            self._depth -= len(events)
            at = 0
            for some, reply in taken:
                if not reply.done():  # the caller may have gone; its events are recorded
                    reply.set_result(answers[at : at + len(some)])
                at += len(some)

    def _note_pace(self, events: int, took_s: float) -> None:
        if events < self._batch_events * PACE_SHARE:
            return
        fresh = took_s / events
        known = self._pace_s or fresh
        self._pace_s = known + FRESH_SHARE * (fresh - known)

    def _take(self) -> list[tuple[Sequence[Candidate], Reply]]:
        taken: list[tuple[Sequence[Candidate], Reply]] = []
        count = 0
        while self._waiting and (
            not taken or count + len(self._waiting[0][0]) <= self._batch_events
        ):
            taken.append(self._waiting.popleft())
            count += len(taken[-1][0])
        return taken

    async def _answer(
        self, events: Sequence[Candidate], batch_id: UUID
    ) -> list[Answer | Exception]:
        """Commit a batch and answer it; halve one that cannot be stored until one event is left."""
        try:
            return list(await self._try(events, batch_id))
        except DatabaseAway as error:
            return [error] * len(events)
        except Exception as error:
            if len(events) == 1:
                _log.exception("an event cannot be stored: source %s", events[0].source)
                return [error]
        half = len(events) // 2
        return [
            *await self._answer(events[:half], uuid7(self._clock())),
            *await self._answer(events[half:], uuid7(self._clock())),
        ]

    async def _try(
        self, events: Sequence[Candidate], batch_id: UUID
    ) -> Sequence[Answer | Exception]:
        for number in range(TRIES):
            try:
                async with asyncio.timeout(COMMIT_LIMIT_S):
                    return await self._commit(events, batch_id)
            except PASSING as error:
                _log.warning("commit of %d events failed, try %d: %r", len(events), number, error)
                if number < TRIES - 1:
                    await asyncio.sleep(FIRST_PAUSE_S * 2**number)
        raise DatabaseAway(
            "The database does not answer. Send the same request again: what was recorded is "
            "answered as a duplicate, and nothing is counted twice."
        )

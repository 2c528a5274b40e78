"""What all measurements share: the target, how much is sent, and all that was seen so far."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from loadtest.bench.client import SINGLE_TYPE, ClosedLoopResult, closed_loop, post
from loadtest.bench.cpu import Times, times_of
from loadtest.mix import PEOPLE, Mix
from loadtest.requests import batches, singles
from loadtest.system import System
from loadtest.tally import Tally

BATCH_CONNECTIONS = 8
SINGLE_CONNECTIONS = 64


class Unsound(RuntimeError):
    """A measurement did not do the work that it is meant to measure."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is sent in one measurement; each also ends after `seconds`."""

    seconds: float
    batched_events: int
    single_events: int
    naive_events: int
    empty_requests: int
    latency_seconds: float
    collecting_people: int


FULL = Plan(20.0, 80_000, 12_000, 4_000, 24_000, 10.0, 8_000)
QUICK = Plan(8.0, 40_000, 2_000, 600, 4_000, 3.0, 1_500)


@dataclass(slots=True)
class Bench:
    """One benchmark. `figures` hold a value a repeat, `cpu` microseconds an event by process."""

    system: System
    plan: Plan
    comparison_url: str
    mix: Mix = field(default_factory=lambda: Mix(PEOPLE, seed=1))
    tally: Tally = field(default_factory=Tally)
    figures: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    cpu: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    notes: list[str] = field(default_factory=list)

    async def warm_up(self) -> None:
        """This makes connections, caches, months and plans before anything is measured."""
        await self.send_batches(self.batches(250, events=2_000), 250)
        own = singles(self.system, self.mix, 200)
        await closed_loop(
            self.system.url, own, connections=16, seconds=10, on_answer=self.tally.add_single
        )
        url = self.comparison_url
        for path, kind in (("/events", "application/json"), ("/empty", SINGLE_TYPE)):
            requests = [self.post(url, path, e.encode(), kind) for e in self.mix.events(200)]
            await closed_loop(url, requests, connections=16, seconds=10, on_answer=ignore)

    def batches(self, size: int, *, events: int | None = None) -> list[bytes]:
        """Batches of `size` events: as many as one measurement sends, or `events` altogether.

        Making them costs more than sending them, so it comes before a measurement.
        """
        count = (events or self.plan.batched_events) // size
        return batches(self.system, self.mix, count, size=size)

    async def send_batches(
        self, requests: Sequence[bytes], size: int
    ) -> tuple[ClosedLoopResult, int]:
        """This sends batches of `size`: what the loop saw, and how many events were accepted.

        Raises Unsound when some have no answer.
        """
        counted = Tally()
        seen = await closed_loop(
            self.system.url,
            requests,
            connections=BATCH_CONNECTIONS,
            seconds=self.plan.seconds,
            on_answer=lambda status, body: counted.add_batch(size, status, body),
        )
        return seen, self.count(counted)

    async def send_all(
        self, name: str, url: str, requests: Sequence[bytes], connections: int
    ) -> int:
        """This sends requests, and notes how many were taken a second; how many were.

        What a busy service sends away (503) does not count. Raises Unsound when another one fails.
        """
        statuses = Counter[int]()
        seen = await closed_loop(
            url,
            requests,
            connections=connections,
            seconds=self.plan.seconds,
            on_answer=lambda status, _: statuses.update((status,)),
        )
        taken, busy = statuses[200] + statuses[201], statuses[503]
        if taken + busy < seen.answers or not taken:
            raise Unsound(f"{name}: requests by status of their answers: {dict(statuses)}")
        if busy:
            self.notes.append(f"{name}: {busy} of {seen.answers} requests were sent away")
        self.figures[name].append(taken / seen.elapsed_s)
        return taken

    def count(self, counted: Tally) -> int:
        """This adds a tally to that of the whole run; how many events the service accepted.

        Raises Unsound when it hung up on some.
        """
        self.tally.add(counted)
        if counted.lost:
            raise Unsound(f"{counted.lost} events have no answer: the connection ended")
        if counted.unavailable or counted.problems:
            self.notes.append(
                f"{counted.unavailable} events were sent away and {counted.problems} had a problem"
            )
        return counted.accepted

    def note_cost(self, name: str, before: Times, count: int) -> None:
        """This notes the processor time since `before` for each of `count` requests, by process.

        A busy machine changes it little.
        """
        if self.system.alone:
            used = times_of(self.system).since(before)
            for process in ("API", "PostgreSQL"):
                self.figures[f"{name} {process}"].append(used[process] / count * 1e6)

    def post(self, url: str, path: str, body: bytes, content_type: str, **headers: str) -> bytes:
        """A whole POST request with the demo partner's key."""
        key = self.system.partner_key
        return post(url, path, body, content_type=content_type, key=key, **headers)


def ignore(_: int, __: bytes) -> None:
    """This takes an answer of a preparation, which is not measured."""

"""Clients that keep every answer they saw, to be asked afterwards whether it was true."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import asyncpg
import httpx
from builders import BATCH, SINGLE, a_bike_ride, a_box, a_bus_ride, a_ride, an_invoice, an_order
from flow_system import System, summed, until

from loadtest.harness import Done, finished

Event = dict[str, Any]
PAUSE_S = 0.05  # between two tries; no test depends on it

# A day long past whatever the machine's clock says, sent with the scope events:backfill.
DAY = "2025-03-03"
SOURCES = {
    "transit.metro": "metro-bj",
    "transit.bus": "bus-bj",
    "cycle.bike": "bike",
    "food.no_cutlery": "eats",
    "paper.einvoice": "mall",
    "pack.box_reuse": "parcel",
}
MAKERS = (a_ride, a_bus_ride, a_bike_ride, an_order, an_invoice, a_box)
RECORDED = (
    "source", "event_id", "outcome", "avoided_mg", "points", "methodology", "evidence_level",
    "scope", "reason", "detail",
)  # fmt: skip


def of_the_demo(event: Event) -> Event:
    """Return an event as the demo partner reports it, on DAY."""
    source = SOURCES[event["type"]]
    return {**event, "source": source, "time": f"{DAY}T08:30:00+08:00"}


def some_events(count: int, *, people: int, name: str) -> list[Event]:
    """Events of every activity by a number of people; some are refused, some reach a cap."""
    made = []
    for number in range(count):
        make = MAKERS[number % len(MAKERS)]
        far = {"distance_km": "500"} if number % 97 == 0 and make is a_ride else {}
        event = make(far, id=f"{name}-{number}", subject=f"{name}-{number % people}")
        made.append(of_the_demo(event))
    return made


def in_parts(events: Sequence[Event], count: int) -> list[Sequence[Event]]:
    """Cut the events into so many parts of one size; none is empty."""
    size, rest = divmod(len(events), count)
    assert size, "there are too few events"
    assert not rest, f"{len(events)} events are not {count} equal parts"
    return [events[at : at + size] for at in range(0, len(events), size)]


def as_lines(events: Iterable[Event]) -> bytes:
    """Return a JSON Lines file."""
    return b"".join(json.dumps(event).encode() + b"\n" for event in events)


@dataclass(slots=True)
class Seen:
    """Events that were sent once, by what came back."""

    answers: dict[str, dict[str, Any]] = field(default_factory=dict)  # by event id: the first one
    unanswered: list[Event] = field(default_factory=list)
    refusals: list[tuple[int, str]] = field(default_factory=list)  # status and body, not 2xx

    async def assert_recorded(self, system: System) -> None:
        """Every acknowledged event is in the database with the answer that was given."""
        assert self.answers, "nothing was acknowledged"
        ids = [answer["action_id"] for answer in self.answers.values()]
        query = f"SELECT action_id, {', '.join(RECORDED)} FROM action WHERE action_id = ANY ($1)"
        rows = {str(row["action_id"]): row for row in await system.fetch(query, ids)}
        for answer in self.answers.values():
            row = dict(rows[answer["action_id"]])
            expected = {**answer, "event_id": answer["id"], "avoided_mg": int(answer["avoided_mg"])}
            assert {name: row[name] for name in RECORDED} == {n: expected[n] for n in RECORDED}


async def send(client: httpx.AsyncClient, events: Sequence[Event]) -> httpx.Response:
    """Send one event by itself, or several as a batch; return the answer."""
    if len(events) == 1:
        return await client.post("/v1/events", content=json.dumps(events[0]), headers=SINGLE)
    return await client.post("/v1/events", content=json.dumps(events), headers=BATCH)


def results_of(answer: httpx.Response) -> list[dict[str, Any]]:
    """Return the result of each event in an answer."""
    body = answer.json()
    found: list[dict[str, Any]] = body.get("results", [body])
    return found


@asynccontextmanager
async def load(system: System, *, clients: int, name: str, insist: bool) -> AsyncIterator[Seen]:
    """Clients that send without a pause until the block ends, some single events and some batches.

    With `insist` what was not answered is sent again until it is; else every event is sent once.
    """
    seen, stop = Seen(), asyncio.Event()
    numbers = iter(range(10**9))

    async def one(number: int) -> None:
        async with system.client() as client:
            while not stop.is_set():
                events = [
                    of_the_demo(make(id=f"{name}-{next(numbers)}", subject=f"{name}-{number}"))
                    for make in (MAKERS if number % 2 else MAKERS[:1])
                ]
                answered = await _answered(client, events, seen)
                while insist and not answered:
                    await asyncio.sleep(PAUSE_S)
                    answered = await _answered(client, events, seen)

    async with asyncio.TaskGroup() as group:
        for number in range(clients):
            group.create_task(one(number))
        try:
            yield seen
        finally:
            stop.set()


async def _answered(client: httpx.AsyncClient, events: list[Event], seen: Seen) -> bool:
    try:
        answer = await send(client, events)
    except httpx.TransportError:
        seen.unanswered += events
        return False
    if not answer.is_success:
        seen.refusals.append((answer.status_code, answer.text))
        seen.unanswered += events
        return False
    missing = []
    for event, result in zip(events, results_of(answer), strict=True):
        if "problem" in result:
            seen.refusals.append((result["problem"]["status"], json.dumps(result["problem"])))
            missing.append(event)
        else:
            seen.answers.setdefault(event["id"], result)
    seen.unanswered += missing
    return not missing


@dataclass(slots=True)
class Watch:
    """What one reader of the public totals saw, in the order of its questions."""

    views: list[dict[str, Any]] = field(default_factory=list)

    def steps_back(self) -> Iterator[str]:
        """Yield every pair of neighbours in which a figure is less than it was."""
        for before, after in zip(self.views, self.views[1:], strict=False):
            for name in ("avoided_mg", "actions", "people", "points"):
                if after[name] < before[name]:
                    yield f"{name}: {before[name]} and then {after[name]}"


@asynccontextmanager
async def watching(system: System) -> AsyncIterator[Watch]:
    """Read the totals again and again over one connection until the block ends."""
    watch, stop = Watch(), asyncio.Event()

    async def read() -> None:
        async with system.client() as client:
            while not stop.is_set():
                answer = await client.get("/v1/totals")
                assert answer.is_success, answer.text
                watch.views.append(summed(answer.json()))

    async with asyncio.TaskGroup() as group:
        group.create_task(read())
        try:
            yield watch
        finally:
            stop.set()


@dataclass(slots=True)
class Replay:
    """`saxaul replay` reading from a pipe: it cannot end before the test has fed it everything."""

    system: System
    process: asyncio.subprocess.Process

    async def feed(self, events: Sequence[Event]) -> None:
        """Write events into the pipe."""
        assert self.process.stdin is not None
        self.process.stdin.write(as_lines(events))
        await self.process.stdin.drain()

    async def under_way(self, events: Sequence[Event]) -> None:
        """Wait until some of the events are recorded; the database may be coming back."""
        ids = [event["id"] for event in events]

        async def some() -> bool:
            query = "SELECT count(*) FROM action WHERE event_id = ANY ($1)"
            try:
                return await self.system.count(query, ids) > 0
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                return False

        await until(some, lambda: f"the replay does not go on:\n{self.system.output}")

    async def end(self) -> Done:
        """Close the pipe; how the command ended."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        return await finished(self.process)


@asynccontextmanager
async def replaying(system: System) -> AsyncIterator[Replay]:
    """Yield a replay that waits for events."""
    arguments = ("replay", "-", "--format", "cloudevents", "--batch", "50")
    async with system.command(*arguments) as process:
        yield Replay(system, process)

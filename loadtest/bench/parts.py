"""The measurements, each one function: prepare, measure, count what became of the events."""

import asyncio
import json
import secrets
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

from loadtest.bench.client import (
    BATCH_TYPE,
    SINGLE_TYPE,
    Closed,
    Connection,
    Opened,
    closed_loop,
    connect,
    get,
    open_loop,
    post,
)
from loadtest.bench.cpu import Spy, Times, times_of
from loadtest.bench.database import copy_rate
from loadtest.bench.deliveries import bare_rate, endpoints, taken, until_taken
from loadtest.bench.hooks import merchants
from loadtest.bench.orders import make_buyers, make_projects, orders_sold
from loadtest.bench.serve import served
from loadtest.bench.storm import (
    POINTS,
    collect_requests,
    crowd,
    earning_requests,
    local_day,
)
from loadtest.books import Tally
from loadtest.mix import PEOPLE, Mix, probe, probes_in
from loadtest.system import System

BATCH_CONNECTIONS = 8
SINGLE_CONNECTIONS = 64
NAIVE_CONNECTIONS = 16  # as many as it has connections to the database
COPY_BATCH_ROWS = 1_000
PROBE_PAUSE_S = 0.02
PROBE_LIMIT_S = 30.0
SPEED_LIMIT_S = 300.0
HALF = 0.5
PREPARE_S = 120.0
HOOK_EVENTS = 100
DELIVERED_BYTES = 620  # a notice of one action


class Unsound(RuntimeError):
    """A comparison did not do the work that it is compared with."""


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
    delivered: int


FULL = Plan(20.0, 80_000, 12_000, 4_000, 24_000, 10.0, 8_000, 10_000)
QUICK = Plan(8.0, 40_000, 2_000, 600, 4_000, 3.0, 1_500, 3_000)


@dataclass(slots=True)
class Bench:
    """One benchmark: its target, and everything seen so far."""

    system: System
    plan: Plan
    naive_url: str
    empty_url: str
    naive_collect_url: str
    mix: Mix = field(default_factory=lambda: Mix(PEOPLE, seed=1))
    tally: Tally = field(default_factory=Tally)
    figures: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    cpu: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    notes: list[str] = field(default_factory=list)

    async def batches(self, size: int) -> None:
        """a) and g): events a second in batches, and how far the totals are behind meanwhile."""
        requests = self._batches(self.plan.batched_events // size, size)
        stop = asyncio.Event()
        watch = asyncio.create_task(self._watch_lag(stop))
        before = times_of(self.system)
        seen, events = await self._send_batches(requests, size)
        used = times_of(self.system).since(before)
        stop.set()
        self.figures["lag"].append(max(await watch))
        self.figures[f"batch{size}"].append(events / seen.elapsed_s)
        if self.system.alone:
            for name, seconds in used.items():
                self.cpu[name].append(seconds / events * 1e6)

    async def batches_500(self) -> None:
        """Batches of 500."""
        await self.batches(500)

    async def batches_1000(self) -> None:
        """Batches of 1,000."""
        await self.batches(1_000)

    async def send(self, size: int) -> int:
        """Batches of one measurement; how many events were accepted."""
        requests = self._batches(self.plan.batched_events // size, size)
        return (await self._send_batches(requests, size))[1]

    async def naive(self) -> None:
        """b) the straightforward endpoint."""
        requests = [
            self._post(self.naive_url, "/events", text.encode(), "application/json")
            for text in self.mix.events(self.plan.naive_events)
        ]
        await self._compare("naive", self.naive_url, requests, NAIVE_CONNECTIONS)

    async def copy(self) -> None:
        """c) raw COPY of rows that the service wrote, in batches and all at once."""
        if self.system.database_url is None:
            self.notes.append("no COPY: the database's URL is not known")
            return
        rows = self.plan.batched_events
        for name, batch_rows in (("copy", COPY_BATCH_ROWS), ("copy whole", rows)):
            rate = await copy_rate(self.system.database_url, rows=rows, batch_rows=batch_rows)
            self.figures[name].append(rate)

    async def single(self) -> None:
        """d) one event a request."""
        seen, events = await self.send_singles()
        self.figures["single"].append(events / seen.elapsed_s)

    async def send_singles(self) -> tuple[Closed, int]:
        """Single events of one measurement: what the loop saw, and how many were accepted."""
        counted = Tally()
        seen = await closed_loop(
            self.system.url,
            self._singles(self.plan.single_events),
            connections=SINGLE_CONNECTIONS,
            seconds=self.plan.seconds,
            on_answer=counted.add_single,
        )
        return seen, self._took(counted)

    async def empty_post(self) -> None:
        """d) the same requests, bodies and all, to a route that does nothing."""
        requests = [
            self._post(self.empty_url, "/empty", text.encode(), SINGLE_TYPE)
            for text in self.mix.events(self.plan.empty_requests)
        ]
        await self._compare("empty POST", self.empty_url, requests, SINGLE_CONNECTIONS)

    async def latency(self) -> None:
        """e) single events at half of the top rate, open loop."""
        if not self.figures["single"]:
            await self.single()
        rate = self.figures["single"][-1] * HALF
        seen = await open_loop(
            self.system.url,
            self._singles(int(rate * self.plan.latency_seconds)),
            rate_per_s=rate,
            on_answer=self.tally.add_single,
        )
        self._note_latency(seen)

    async def totals(self) -> None:
        """f) the public totals."""
        requests = [get(self.system.url, "/v1/totals")] * self.plan.empty_requests
        await self._compare("totals", self.system.url, requests, SINGLE_CONNECTIONS)

    async def people(self) -> None:
        """What a phone asks for when its app opens, and what that costs."""
        requests = [
            get(self.system.url, f"/v1/people/{self.mix.person()}", key=self.system.partner_key)
            for _ in range(self.plan.single_events)
        ]
        before = times_of(self.system)
        asked = await self._compare("people", self.system.url, requests, SINGLE_CONNECTIONS)
        self._note_cost("people", before, asked, "API", "PostgreSQL")

    async def empty_get(self) -> None:
        """f) the same to a route that does nothing."""
        requests = [get(self.empty_url, "/empty")] * self.plan.empty_requests
        await self._compare("empty GET", self.empty_url, requests, SINGLE_CONNECTIONS)

    async def assess(self) -> None:
        """j) one sum, over the mix of all worked cases, and loading all methodologies."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "service.catalogue.speed", stdout=asyncio.subprocess.PIPE
        )
        printed, _ = await asyncio.wait_for(process.communicate(), SPEED_LIMIT_S)
        if process.returncode != 0:
            raise Unsound("service.catalogue.speed failed; its message is above")
        found = json.loads(printed)
        self.figures["assess"].append(found["assess_us_median"])
        self.figures["load"].append(found["load_s"])

    async def collect(self) -> None:
        """k) everybody collects at once, beside a plain read-modify-write and an empty route."""
        key = self.system.partner_key
        people = crowd(self.plan.collecting_people)
        await self._earn(people)
        requests = collect_requests(self.system.url, key, people, "/v1/people/{}/collect")
        wanted, wrong = sum(POINTS.values()), 0

        def check(status: int, body: bytes) -> None:
            nonlocal wrong
            wrong += status != 200 or json.loads(body)["points"] != wanted

        half = len(requests) // 2
        before = times_of(self.system)
        seen = await closed_loop(
            self.system.url,
            requests[:half],
            connections=SINGLE_CONNECTIONS,
            seconds=self.plan.seconds,
            on_answer=check,
        )
        self._note_cost("collect", before, seen.answers, "API", "PostgreSQL")
        self.figures["collect"].append(seen.per_s)
        await self._collect_naively(people[:half])
        empty = collect_requests(self.empty_url, key, people, "/empty")
        await self._compare("empty collect", self.empty_url, empty, SINGLE_CONNECTIONS)
        opened = await open_loop(
            self.system.url,
            requests[half:],
            rate_per_s=seen.per_s * HALF,
            on_answer=check,
        )
        if wrong:
            raise Unsound(f"{wrong} people did not collect exactly {wanted} points")
        if opened.void:
            self.notes.append("VOID: the open loop of collecting was sent too late")
        else:
            self.figures["collect p50"].append(opened.latencies.at_s(0.5) * 1000)
            self.figures["collect p99"].append(opened.latencies.at_s(0.99) * 1000)

    async def _earn(self, people: Sequence[str]) -> None:
        counted = Tally()
        size = len(POINTS)
        await closed_loop(
            self.system.url,
            earning_requests(self.system.url, self.system.partner_key, people),
            connections=BATCH_CONNECTIONS,
            seconds=PREPARE_S,
            on_answer=lambda status, body: counted.add_batch(
                len(json.loads(body).get("results", ())), status, body
            ),
        )
        if self._took(counted) != size * len(people):
            raise Unsound("not everybody has something to collect")

    async def _collect_naively(self, people: Sequence[str]) -> None:
        url, key = self.naive_collect_url, ""
        rows = [people[at : at + 500] for at in range(0, len(people), 500)]
        bodies = [
            json.dumps({"subjects": some, "local_day": local_day(), "points": POINTS}).encode()
            for some in rows
        ]
        kind = "application/json"
        made = [post(url, "/prepare", body, content_type=kind, key=key) for body in bodies]
        await closed_loop(
            url, made, connections=2, seconds=PREPARE_S, on_answer=lambda _status, _body: None
        )
        requests = collect_requests(url, key, people, "/collect/{}")
        await self._compare("naive collect", url, requests, NAIVE_CONNECTIONS)

    async def orders(self) -> None:
        """l) orders of trees on one hot project, its stock in cells and in a single row."""
        system = self.system
        if system.database_url is None:
            self.notes.append("no orders: the database's URL is not known")
            return
        buyers = await make_buyers(system, self.tally)
        projects = await make_projects(system)
        for name, project in zip(("orders", "orders one row"), projects, strict=True):
            before = times_of(system)
            sold = await orders_sold(
                system,
                buyers,
                project,
                orders=self.plan.single_events // 4,
                seconds=self.plan.seconds,
            )
            self._note_cost(name, before, sold.answers, "API", "PostgreSQL")
            self.figures[name].append(sold.per_s)

    async def hooks(self) -> None:
        """j) merchants' own payloads, signed: one event each, and 100; and the plain API with as
        many, in the same minute."""
        single, many = merchants(self.system)
        for name, merchant, events, size, connections in (
            ("hook", single, self.plan.single_events, 1, SINGLE_CONNECTIONS),
            ("hook100", many, self.plan.batched_events // 2, HOOK_EVENTS, BATCH_CONNECTIONS),
        ):
            requests = merchant.messages(self.system.url, self.mix, events // size, size)
            counted = Tally()
            before = times_of(self.system)
            seen = await closed_loop(
                self.system.url,
                requests,
                connections=connections,
                seconds=self.plan.seconds,
                on_answer=partial(_count_hook, counted, size),
            )
            took = self._took(counted)
            self._note_cost(name, before, took, "API", "PostgreSQL")
            self.figures[name].append(took / seen.elapsed_s)
        requests = self._batches(self.plan.batched_events // 2 // HOOK_EVENTS, HOOK_EVENTS)
        plain, taken = await self._send_batches(requests, HOOK_EVENTS)
        self.figures["batch100"].append(taken / plain.elapsed_s)
        if len(self.figures["single"]) < len(self.figures["hook"]):
            await self.single()

    async def deliver(self) -> None:
        """j) webhooks a second to a fast receiver while another hangs, and a bare client's."""
        count = self.plan.delivered
        with served("loadtest.bench.sink") as sink_url:
            bare = await bare_rate(sink_url, count, b"x" * DELIVERED_BYTES)
            had = await taken(sink_url)
            async with endpoints(self.system, f"{sink_url}/taken", f"{sink_url}/hang") as both:
                repeats = self.tally.outcomes["duplicate"]
                _, events = await self._send_batches(self._batches(count // 500, 500), 500)
                events -= self.tally.outcomes["duplicate"] - repeats  # nothing new to tell
                await both.until_queued(events)
                before, started = times_of(self.system), time.perf_counter()
                await both.enable(True)
                await until_taken(sink_url, had + events)
                self.figures["deliver"].append(events / (time.perf_counter() - started))
                self._note_cost("deliver", before, events, "worker", "PostgreSQL")
        self.figures["bare client"].append(bare)

    async def profile(self) -> dict[str, float]:
        """i) the share of the API's time by stage, in a run of its own: looking in costs time."""
        size = 1_000
        requests = self._batches(self.plan.batched_events // size, size)
        spy = Spy(self.system, self.plan.seconds)
        await self._send_batches(requests, size)
        return spy.shares()

    async def warm_up(self) -> None:
        """Connections, caches, months and plans, before anything is measured."""
        await self.warm_up_events()
        for url, path, kind in (
            (self.naive_url, "/events", "application/json"),
            (self.empty_url, "/empty", SINGLE_TYPE),
            (self.system.url, "/v1/events", SINGLE_TYPE),
        ):
            on_answer = self.tally.add_single if url == self.system.url else _ignore
            requests = [self._post(url, path, e.encode(), kind) for e in self.mix.events(200)]
            await closed_loop(url, requests, connections=16, seconds=10, on_answer=on_answer)

    async def warm_up_events(self) -> None:
        """Batches only."""
        await self._send_batches(self._batches(8, 250), 250)

    async def _send_batches(self, requests: Sequence[bytes], size: int) -> tuple[Closed, int]:
        """What the loop saw, and how many events were accepted."""
        counted = Tally()
        seen = await closed_loop(
            self.system.url,
            requests,
            connections=BATCH_CONNECTIONS,
            seconds=self.plan.seconds,
            on_answer=lambda status, body: counted.add_batch(size, status, body),
        )
        return seen, self._took(counted)

    def _took(self, counted: Tally) -> int:
        """Events that the service accepted. Raises Unsound when it hung up on some."""
        self.tally.add(counted)
        if counted.lost:
            raise Unsound(f"{counted.lost} events have no answer: the connection ended")
        if counted.unavailable or counted.problems:
            self.notes.append(
                f"{counted.unavailable} events were sent away and {counted.problems} had a problem"
            )
        return counted.accepted

    async def _compare(
        self, name: str, url: str, requests: Sequence[bytes], connections: int
    ) -> int:
        """Measure requests that must all succeed; how many. Raises Unsound when one does not."""
        failed = 0

        def count(status: int, _: bytes) -> None:
            nonlocal failed
            failed += status not in (200, 201)

        seen = await closed_loop(
            url, requests, connections=connections, seconds=self.plan.seconds, on_answer=count
        )
        if failed:
            raise Unsound(f"{name}: {failed} of {seen.answers} requests failed")
        self.figures[name].append(seen.per_s)
        return seen.answers

    async def _watch_lag(self, stop: asyncio.Event) -> list[float]:
        """Seconds from the answer to a probe until the totals show it, probe after probe."""
        loop = asyncio.get_running_loop()
        (connection,) = await connect(self.system.url, 1)
        show = get(self.system.url, "/v1/totals")
        expected = probes_in((await _ask(connection, show))[1])
        lags: list[float] = []
        while not (stop.is_set() and lags):
            event = probe(f"probe-{secrets.token_hex(8)}").encode()
            status, body = await _ask(
                connection, self._post(self.system.url, "/v1/events", event, SINGLE_TYPE)
            )
            self.tally.add_single(status, body)
            if status != 201 or b'"credited"' not in body:
                raise Unsound(f"a probe was answered {status}: {body[:300]!r}")
            answered = loop.time()
            expected += 1
            while probes_in((await _ask(connection, show))[1]) < expected:
                if loop.time() - answered > PROBE_LIMIT_S:
                    self.notes.append(f"a probe was not in the totals after {PROBE_LIMIT_S:.0f} s")
                    return [*lags, PROBE_LIMIT_S]
                await asyncio.sleep(PROBE_PAUSE_S)
            lags.append(loop.time() - answered)
        connection.close()
        return lags

    def _note_cost(self, name: str, before: Times, count: int, *processes: str) -> None:
        """Processor time since `before` for each of `count`; a busy machine changes it little."""
        if self.system.alone:
            used = times_of(self.system).since(before)
            for process in processes:
                self.figures[f"{name} {process}"].append(used[process] / count * 1e6)

    def _note_latency(self, seen: Opened) -> None:
        if seen.void:
            self.notes.append(
                f"VOID: at {seen.rate_per_s:,.0f}/s the generator sent {seen.behind:.1%} of the "
                "requests late; that open-loop run says nothing"
            )
            return
        for name, share in (("p50", 0.5), ("p99", 0.99)):
            self.figures[name].append(seen.latencies.at_s(share) * 1000)
            self.figures[f"{name} from sending"].append(seen.service_times.at_s(share) * 1000)
        self.figures["open rate"].append(seen.rate_per_s)
        self.figures["late share"].append(seen.behind)
        if seen.failed:
            self.notes.append(f"{seen.failed} requests of an open-loop run were not taken")

    def _batches(self, count: int, size: int) -> list[bytes]:
        return [
            self._post(self.system.url, "/v1/events", self.mix.batch(size).encode(), BATCH_TYPE)
            for _ in range(count)
        ]

    def _singles(self, count: int) -> list[bytes]:
        return [
            self._post(self.system.url, "/v1/events", text.encode(), SINGLE_TYPE)
            for text in self.mix.events(count)
        ]

    def _post(self, url: str, path: str, body: bytes, content_type: str) -> bytes:
        return post(url, path, body, content_type=content_type, key=self.system.partner_key)


def _count_hook(counted: Tally, events: int, status: int, body: bytes) -> None:
    counted.add_batch(events, status, body)


def _ignore(_: int, __: bytes) -> None:
    """An answer of the warm-up."""


async def _ask(connection: Connection, request: bytes) -> tuple[int, bytes]:
    answer: asyncio.Future[tuple[int, bytes]] = asyncio.get_running_loop().create_future()
    connection.send(request, lambda status, body: answer.set_result((status, body)))
    return await answer

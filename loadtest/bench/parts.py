"""The measurements of the main path, each one function: prepare, measure, note the figures."""

import asyncio
import json
import secrets
import sys

from loadtest.bench.client import (
    SINGLE_TYPE,
    Connection,
    OpenLoopResult,
    closed_loop,
    connect,
    get,
    open_loop,
)
from loadtest.bench.cpu import Spy, times_of
from loadtest.bench.database import copy_rate
from loadtest.bench.measure import SINGLE_CONNECTIONS, Bench, Unsound
from loadtest.mix import probe, probes_in
from loadtest.requests import EVENTS, singles
from loadtest.tally import Tally

BATCH_EVENTS = 500
NAIVE_CONNECTIONS = 16  # as many as it has connections to the database
COPY_BATCH_ROWS = 1_000
PROBE_PAUSE_S = 0.02
PROBE_LIMIT_S = 30.0
SPEED_LIMIT_S = 300.0
HALF = 0.5


async def batches(bench: Bench) -> None:
    """This measures events a second in batches of 500, and the lag of the totals meanwhile."""
    requests = bench.batches(BATCH_EVENTS)
    stop = asyncio.Event()
    watch = asyncio.create_task(_watch_lag(bench, stop))
    before = times_of(bench.system)
    seen, events = await bench.send_batches(requests, BATCH_EVENTS)
    used = times_of(bench.system).since(before)
    stop.set()
    bench.figures["lag"].append(max(await watch))
    bench.figures["batch500"].append(events / seen.elapsed_s)
    if bench.system.alone:
        for name, seconds in used.items():
            bench.cpu[name].append(seconds / events * 1e6)


async def naive(bench: Bench) -> None:
    """This measures events a second of the straightforward endpoint."""
    url = bench.comparison_url
    requests = [
        bench.post(url, "/events", text.encode(), "application/json")
        for text in bench.mix.events(bench.plan.naive_events)
    ]
    await bench.send_all("naive", url, requests, NAIVE_CONNECTIONS)


async def copy(bench: Bench) -> None:
    """This measures rows a second of raw COPY, of rows that the service wrote."""
    if bench.system.database_url is None:
        bench.notes.append("no COPY: the database's URL is not known")
        return
    rows = bench.plan.batched_events
    rate = await copy_rate(bench.system.database_url, rows=rows, batch_rows=COPY_BATCH_ROWS)
    bench.figures["copy"].append(rate)


async def single(bench: Bench) -> None:
    """This measures requests a second with one event each."""
    counted = Tally()
    seen = await closed_loop(
        bench.system.url,
        singles(bench.system, bench.mix, bench.plan.single_events),
        connections=SINGLE_CONNECTIONS,
        seconds=bench.plan.seconds,
        on_answer=counted.add_single,
    )
    bench.figures["single"].append(bench.count(counted) / seen.elapsed_s)


async def empty_post(bench: Bench) -> None:
    """This sends the same requests, bodies and all, to a route that does nothing."""
    url = bench.comparison_url
    requests = [
        bench.post(url, "/empty", text.encode(), SINGLE_TYPE)
        for text in bench.mix.events(bench.plan.empty_requests)
    ]
    await bench.send_all("empty POST", url, requests, SINGLE_CONNECTIONS)


async def latency(bench: Bench) -> None:
    """This measures latencies of single events at half of the top rate, in an open loop."""
    if not bench.figures["single"]:
        await single(bench)
    rate = bench.figures["single"][-1] * HALF
    requests = singles(bench.system, bench.mix, int(rate * bench.plan.latency_seconds))
    _note_latency(
        bench,
        await open_loop(
            bench.system.url, requests, rate_per_s=rate, on_answer=bench.tally.add_single
        ),
    )


async def totals(bench: Bench) -> None:
    """This measures requests a second for the public totals."""
    url = bench.system.url
    requests = [get(url, "/v1/totals")] * bench.plan.empty_requests
    await bench.send_all("totals", url, requests, SINGLE_CONNECTIONS)


async def empty_get(bench: Bench) -> None:
    """This measures GET requests a second of a route that does nothing."""
    url = bench.comparison_url
    requests = [get(url, "/empty")] * bench.plan.empty_requests
    await bench.send_all("empty GET", url, requests, SINGLE_CONNECTIONS)


async def people(bench: Bench) -> None:
    """This measures requests a second for what an app shows when it opens, and what one costs."""
    url, key = bench.system.url, bench.system.partner_key
    requests = [
        get(url, f"/v1/people/{bench.mix.person()}", key=key)
        for _ in range(bench.plan.single_events)
    ]
    before = times_of(bench.system)
    taken = await bench.send_all("people", url, requests, SINGLE_CONNECTIONS)
    bench.note_cost("people", before, taken)


async def assess(bench: Bench) -> None:
    """This measures the processor time of one assessment, and of loading all methodologies."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "service.catalogue.speed", stdout=asyncio.subprocess.PIPE
    )
    printed, _ = await asyncio.wait_for(process.communicate(), SPEED_LIMIT_S)
    if process.returncode != 0:
        raise Unsound("service.catalogue.speed failed; its message is above")
    found = json.loads(printed)
    bench.figures["assess"].append(found["assess_us_median"])
    bench.figures["load"].append(found["load_s"])


async def profile(bench: Bench) -> dict[str, float]:
    """The shares of the API's time by stage, from a run of its own, since a profiler costs time."""
    requests = bench.batches(BATCH_EVENTS)
    spy = Spy(bench.system, bench.plan.seconds)
    await bench.send_batches(requests, BATCH_EVENTS)
    return spy.shares()


async def _watch_lag(bench: Bench, stop: asyncio.Event) -> list[float]:
    """The seconds from the answer to a probe until the totals show it, probe after probe."""
    loop, url = asyncio.get_running_loop(), bench.system.url
    (connection,) = await connect(url, 1)
    show = get(url, "/v1/totals")
    expected = probes_in((await _ask(connection, show))[1])
    lags: list[float] = []
    while not (stop.is_set() and lags):
        event = probe(f"probe-{secrets.token_hex(8)}").encode()
        status, body = await _ask(connection, bench.post(url, EVENTS, event, SINGLE_TYPE))
        bench.tally.add_single(status, body)
        if status != 201 or b'"credited"' not in body:
            raise Unsound(f"a probe was answered {status}: {body[:300]!r}")
        answered = loop.time()
        expected += 1
        while probes_in((await _ask(connection, show))[1]) < expected:
            if loop.time() - answered > PROBE_LIMIT_S:
                bench.notes.append(f"a probe was not in the totals after {PROBE_LIMIT_S:.0f} s")
                return [*lags, PROBE_LIMIT_S]
            await asyncio.sleep(PROBE_PAUSE_S)
        lags.append(loop.time() - answered)
    connection.close()
    return lags


def _note_latency(bench: Bench, seen: OpenLoopResult) -> None:
    if seen.void:
        bench.notes.append(
            f"VOID: at {seen.rate_per_s:,.0f}/s the generator sent {seen.behind:.1%} of the "
            "requests late; that open-loop run says nothing"
        )
        return
    for name, share in (("p50", 0.5), ("p99", 0.99)):
        bench.figures[name].append(seen.latencies.at_s(share) * 1000)
        bench.figures[f"{name} from sending"].append(seen.service_times.at_s(share) * 1000)
    bench.figures["open rate"].append(seen.rate_per_s)
    bench.figures["late share"].append(seen.behind)
    if seen.failed:
        bench.notes.append(f"{seen.failed} requests of an open-loop run were not taken")


async def _ask(connection: Connection, request: bytes) -> tuple[int, bytes]:
    answer: asyncio.Future[tuple[int, bytes]] = asyncio.get_running_loop().create_future()
    connection.send(request, lambda status, body: answer.set_result((status, body)))
    return await answer

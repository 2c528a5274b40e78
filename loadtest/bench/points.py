"""Everybody collects, as at seven in the morning; and everybody buys a tree of one project."""

import asyncio
import json
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from loadtest.bench.client import BATCH_TYPE, closed_loop, open_loop
from loadtest.bench.cpu import times_of
from loadtest.bench.measure import (
    BATCH_CONNECTIONS,
    SINGLE_CONNECTIONS,
    Bench,
    Unsound,
    ignore,
)
from loadtest.requests import EVENTS
from loadtest.seed import open_project
from loadtest.tally import Tally

RIPE_DAYS_AGO = 3
# By activity: source, points, data, and the name of what is claimed.
ACTIVITIES: dict[str, tuple[str, int, dict[str, object], str]] = {
    "transit.metro": ("metro-bj", 794, {"distance_km": "12.4"}, "trip_id"),
    "food.no_cutlery": ("eats", 12, {"sets": 1}, "order_id"),
}
POINTS_EACH = sum(points for _, points, _, _ in ACTIVITIES.values())
BATCH_PEOPLE = 250
PREPARE_S = 120.0
HALF = 0.5
BUYERS = 400
STOCK = 4_000_000  # more than anybody can buy here
JSON = "application/json"


async def collect(bench: Bench) -> None:
    """This measures people a second who collect, an empty route, and latencies at half the rate."""
    people = await _rich_people(bench, bench.plan.collecting_people)
    requests = _collecting(bench, bench.system.url, people, "/v1/people/{}/collect")
    wrong = 0

    def check(status: int, body: bytes) -> None:
        nonlocal wrong
        wrong += status != 200 or json.loads(body)["points"] != POINTS_EACH

    half = len(requests) // 2
    before = times_of(bench.system)
    seen = await closed_loop(
        bench.system.url,
        requests[:half],
        connections=SINGLE_CONNECTIONS,
        seconds=bench.plan.seconds,
        on_answer=check,
    )
    bench.note_cost("collect", before, seen.answers)
    bench.figures["collect"].append(seen.per_s)
    empty = _collecting(bench, bench.comparison_url, people, "/empty")
    await bench.send_all("empty collect", bench.comparison_url, empty, SINGLE_CONNECTIONS)
    opened = await open_loop(
        bench.system.url, requests[half:], rate_per_s=seen.per_s * HALF, on_answer=check
    )
    if wrong:
        raise Unsound(f"{wrong} people did not collect exactly {POINTS_EACH} points")
    if opened.void:
        bench.notes.append("VOID: the open loop of collecting was sent too late")
    else:
        bench.figures["collect p50"].append(opened.latencies.at_s(0.5) * 1000)
        bench.figures["collect p99"].append(opened.latencies.at_s(0.99) * 1000)


async def orders(bench: Bench) -> None:
    """This measures orders a second of trees of one project, and what one costs."""
    system = bench.system
    project = await asyncio.to_thread(open_project, system, stock=STOCK, price_points=1)
    if project is None:
        bench.notes.append("no orders: no key may open a project")
        return
    buyers = await _rich_people(bench, BUYERS)
    collecting = _collecting(bench, system.url, buyers, "/v1/people/{}/collect")
    await closed_loop(system.url, collecting, connections=4, seconds=PREPARE_S, on_answer=ignore)
    requests = [
        bench.post(
            system.url,
            "/v1/orders",
            json.dumps({"project_id": project.name, "subject": buyers[at % BUYERS]}).encode(),
            JSON,
            **{"Idempotency-Key": secrets.token_hex(8)},
        )
        for at in range(bench.plan.single_events // 4)
    ]
    before = times_of(system)
    taken = await bench.send_all("orders", system.url, requests, SINGLE_CONNECTIONS)
    bench.note_cost("orders", before, taken)


async def _rich_people(bench: Bench, count: int) -> list[str]:
    """The subjects of new people with POINTS_EACH to collect. Raises Unsound when some have not."""
    run, url = secrets.token_hex(4), bench.system.url
    people = [f"rich-{run}-{number}" for number in range(count)]
    groups = [people[at : at + BATCH_PEOPLE] for at in range(0, count, BATCH_PEOPLE)]
    counted = Tally()
    await closed_loop(
        url,
        [bench.post(url, EVENTS, _earning(group), BATCH_TYPE) for group in groups],
        connections=BATCH_CONNECTIONS,
        seconds=PREPARE_S,
        on_answer=lambda status, body: counted.add_batch(
            len(json.loads(body).get("results", ())), status, body
        ),
    )
    if bench.count(counted) != len(ACTIVITIES) * count:
        raise Unsound("not everybody has something to collect")
    return people


def _collecting(bench: Bench, url: str, people: Sequence[str], path: str) -> list[bytes]:
    return [bench.post(url, path.format(subject), b"", JSON) for subject in people]


def _earning(people: Sequence[str]) -> bytes:
    """A batch that gives everybody an earning of each activity."""
    day = (datetime.now(UTC) - timedelta(days=RIPE_DAYS_AGO)).date().isoformat()
    events = [
        {
            "specversion": "1.0",
            "id": f"{subject}-{activity}",
            "source": source,
            "type": activity,
            "subject": subject,
            "time": f"{day}T08:30:00Z",
            "data": {**data, "region": "CN", claim: f"{subject}-{activity}"},
        }
        for subject in people
        for activity, (source, _, data, claim) in ACTIVITIES.items()
    ]
    return json.dumps(events).encode()

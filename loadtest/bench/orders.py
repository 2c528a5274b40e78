"""Orders a second on one hot project, beside the same with all of its stock in a single row.

Both are the service's own orders over HTTP; of the second project all stock is moved into one
row of `stock_cell`, so that everybody waits for that row. People earn their points as usual.
"""

import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone

import asyncpg

from loadtest.bench.client import BATCH_TYPE, Closed, closed_loop, post
from loadtest.bench.storm import collect_requests
from loadtest.books import Tally
from loadtest.system import System

PEOPLE = 400
CONNECTIONS = 64
COLLECT_LIMIT_S = 60.0
BEIJING = timezone(timedelta(hours=8))
JSON = "application/json"
BATCH = 400
TREES_EACH = 10_000  # more than anybody can buy here


@dataclass(slots=True)
class Buyers:
    """People with points, made once for a benchmark."""

    names: Sequence[str]

    def request(self, system: System, number: int, project: str) -> bytes:
        """One order of one tree, with a key of its own."""
        body = {"project_id": project, "subject": self.names[number % len(self.names)]}
        return _post(system, "/v1/orders", body, system.partner_key, secrets.token_hex(8))


async def make_buyers(system: System, tally: Tally) -> Buyers:
    """People who rode the metro two days ago and collected their points: 794 each."""
    run = secrets.token_hex(4)
    names = [f"buyer-{run}-{number}" for number in range(PEOPLE)]
    ride = (datetime.now(BEIJING) - timedelta(days=2)).replace(hour=8).isoformat()
    events = [
        {
            "specversion": "1.0", "id": f"{name}-ride", "source": "metro-bj",
            "type": "transit.metro", "subject": name, "time": ride,
            "data": {"distance_km": "12.4", "trip_id": f"{name}-trip", "region": "CN"},
        }
        for name in names
    ]  # fmt: skip
    batches = [
        post(
            system.url, "/v1/events", json.dumps(events[at : at + BATCH]).encode(),
            content_type=BATCH_TYPE, key=system.partner_key,
        )
        for at in range(0, PEOPLE, BATCH)
    ]  # fmt: skip
    await closed_loop(
        system.url, batches, connections=1, seconds=COLLECT_LIMIT_S,
        on_answer=lambda status, body: tally.add_batch(BATCH, status, body),
    )  # fmt: skip
    collects = collect_requests(system.url, system.partner_key, names, "/v1/people/{}/collect")
    await _all_succeed(system, collects)
    return Buyers(names)


async def make_projects(system: System) -> tuple[str, str]:
    """Two projects of trees for one point: stock in cells as usual, and in a single row."""
    assert system.database_url is not None
    run = secrets.token_hex(4)
    names = (f"hot-cells-{run}", f"hot-row-{run}")
    today = datetime.now(BEIJING).date()
    given = [
        {
            "project_id": name, "name": name, "species": "saxaul", "place": "a benchmark",
            "region": "CN-NM", "planting_partner": "nobody", "price_points": 1,
            "opens_on": str(today - timedelta(days=1)), "closes_on": str(today + timedelta(days=9)),
            "stock": PEOPLE * TREES_EACH,
        }
        for name in names
    ]  # fmt: skip
    await _all_succeed(
        system, [_post(system, "/v1/admin/projects", one, system.admin_key) for one in given]
    )
    connection = await asyncpg.connect(system.database_url)
    try:
        await connection.execute(
            "UPDATE stock_cell SET capacity = CASE bucket WHEN 0 THEN $2::int8 ELSE 0 END"
            " WHERE project = $1", names[1], PEOPLE * TREES_EACH,
        )  # fmt: skip
    finally:
        await connection.close()
    return names


async def orders_sold(
    system: System, buyers: Buyers, project: str, *, orders: int, seconds: float
) -> Closed:
    """Orders of a project, from CONNECTIONS connections at once; those that were taken.

    Raises RuntimeError when one fails for another reason than a server that is busy.
    """
    failed = busy = 0

    def count(status: int, body: bytes) -> None:
        nonlocal failed, busy
        busy += status == 503
        failed += status not in (201, 503)
        if status not in (201, 503):
            raise RuntimeError(f"an order was answered {status}: {body[:300]!r}")

    requests = [buyers.request(system, number, project) for number in range(orders)]
    seen = await closed_loop(
        system.url, requests, connections=CONNECTIONS, seconds=seconds, on_answer=count
    )
    return replace(seen, answers=seen.answers - busy)


def _post(system: System, path: str, body: object, key: str, once: str | None = None) -> bytes:
    whole = post(system.url, path, json.dumps(body).encode(), content_type=JSON, key=key)
    if once is None:
        return whole
    head, _, rest = whole.partition(b"\r\n")
    return head + f"\r\nIdempotency-Key: {once}\r\n".encode() + rest


async def _all_succeed(system: System, requests: Sequence[bytes]) -> None:
    answers: list[int] = []
    await closed_loop(
        system.url, requests, connections=4, seconds=COLLECT_LIMIT_S,
        on_answer=lambda status, _: answers.append(status),
    )  # fmt: skip
    wrong = [status for status in answers if status not in (200, 201)]
    if wrong or len(answers) != len(requests):
        raise RuntimeError(f"{len(wrong)} of {len(requests)} requests failed: {wrong[:3]}")

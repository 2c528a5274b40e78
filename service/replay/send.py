"""Use case: send events in batches over HTTP until each has its answer.

A request that was not answered (server away, 429, 503) is sent again whole: events that were
recorded come back as duplicates, so nothing is counted twice.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx

from service.replay.record import Record, Unreadable

BATCH_BYTES_MAX = 3_500_000  # below the API's body limit of 4 MiB
TIMEOUT_S = 60.0
PAUSE_MAX_S = 5.0
EXAMPLES_MAX = 5
PASSING_STATUS = (429, 502, 503, 504)


class ReplayStopped(RuntimeError):
    """The API refused the request as a whole, or stayed away; the message says what to do."""


@dataclass(slots=True)
class Summary:
    """What became of the events: by outcome, and why those that were not credited were not."""

    outcomes: Counter[str] = field(default_factory=Counter)
    reasons: Counter[tuple[str, str]] = field(default_factory=Counter)
    examples: list[str] = field(default_factory=list)
    avoided_mg: int = 0
    points: int = 0
    retries: int = 0

    def add(self, results: Iterable[dict[str, Any]]) -> None:
        """Count the results of one batch."""
        for result in results:
            problem = result.get("problem")
            if problem is not None:
                self._note("problem", problem["type"], f"{result['id']}: {problem['detail']}")
                continue
            name = "duplicate" if result["duplicate"] else result["outcome"]
            self.outcomes[name] += 1
            if not result["duplicate"]:
                self.avoided_mg += int(result["avoided_mg"])
                self.points += result["points"]
                if result["reason"]:
                    self.reasons[name, result["reason"]] += 1

    def unreadable(self, line: Unreadable) -> None:
        """Count a line that holds no event."""
        self._note("problem", "unreadable", f"line {line.line}: {line.why}")

    def _note(self, outcome: str, reason: str, example: str) -> None:
        self.outcomes[outcome] += 1
        self.reasons[outcome, reason] += 1
        if len(self.examples) < EXAMPLES_MAX:
            self.examples.append(example)


@dataclass(frozen=True, slots=True)
class Target:
    """Where to send, and as whom."""

    url: str
    key: str
    batch: int
    concurrency: int
    patience_s: float


async def send(
    records: Iterable[Record | Unreadable], target: Target, progress: Callable[[int], None]
) -> Summary:
    """Send everything; `progress` is called with how many more are answered.

    Raises ReplayStopped when the API refuses the whole request or stays away for `patience_s`.
    """
    summary = Summary()
    batches = _batches(records, target.batch, summary, progress)
    async with httpx.AsyncClient(
        base_url=target.url,
        timeout=TIMEOUT_S,
        headers={"Authorization": f"Bearer {target.key}"},
        limits=httpx.Limits(max_connections=target.concurrency),
    ) as client:
        reading = asyncio.Lock()

        async def next_batch() -> list[bytes] | None:
            # In a thread: a slow pipe must not keep answers from being read.
            async with reading:
                return await asyncio.to_thread(next, batches, None)

        async def sender() -> None:
            while (batch := await next_batch()) is not None:
                results = await _answered(client, batch, target, summary)
                summary.add(results)
                progress(len(results))

        async with asyncio.TaskGroup() as group:
            for _ in range(target.concurrency):
                group.create_task(sender())
    return summary


def _batches(
    records: Iterable[Record | Unreadable],
    count: int,
    summary: Summary,
    progress: Callable[[int], None],
) -> Iterator[list[bytes]]:
    batch: list[bytes] = []
    size = 0
    for record in records:
        if isinstance(record, Unreadable):
            summary.unreadable(record)
            progress(1)
            continue
        body = record.body
        if batch and (len(batch) >= count or size + len(body) > BATCH_BYTES_MAX):
            yield batch
            batch, size = [], 0
        batch.append(body)
        size += len(body) + 1
    if batch:
        yield batch


async def _answered(
    client: httpx.AsyncClient, batch: list[bytes], target: Target, summary: Summary
) -> list[dict[str, Any]]:
    """Return the results of one batch, in its order; asks again for what was not our answer."""
    waited_s, pause_s = 0.0, 0.2
    results: dict[int, dict[str, Any]] = {}
    open_indexes = list(range(len(batch)))
    while True:
        answer = await _post(client, [batch[index] for index in open_indexes])
        if answer is not None:
            results.update(zip(open_indexes, answer, strict=True))
            open_indexes = [index for index in open_indexes if _is_passing(results[index])]
            if not open_indexes:
                return [results[index] for index in range(len(batch))]
        if waited_s > target.patience_s:
            raise ReplayStopped(
                f"{target.url} did not answer for {target.patience_s:.0f} s. Events that were "
                "answered are recorded; run the same command again to go on."
            )
        summary.retries += 1
        await asyncio.sleep(pause_s)
        waited_s += pause_s
        pause_s = min(PAUSE_MAX_S, pause_s * 2)


def _is_passing(result: dict[str, Any]) -> bool:
    return "problem" in result and result["problem"]["status"] in (500, *PASSING_STATUS)


async def _post(client: httpx.AsyncClient, bodies: list[bytes]) -> list[dict[str, Any]] | None:
    """Return the results, or None when the same request should be sent again."""
    try:
        answer = await client.post(
            "/v1/events",
            content=b"[" + b",".join(bodies) + b"]",
            headers={"Content-Type": "application/cloudevents-batch+json"},
        )
    except httpx.TransportError:
        return None
    if answer.status_code in PASSING_STATUS:
        return None
    if answer.status_code != 200:
        raise ReplayStopped(f"The API answered {answer.status_code}: {answer.text[:500]}")
    found: list[dict[str, Any]] = answer.json()["results"]
    return found

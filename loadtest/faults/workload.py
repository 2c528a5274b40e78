"""The load during a fault: clients that report without a pause, and keep every first answer."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from loadtest.harness import tls_context
from loadtest.mix import Mix
from loadtest.system import System
from loadtest.tally import RECORDED

PEOPLE = 200
BATCH_EVENTS = 20
ANSWER_S = 45.0  # the service gives up on its database before
PAUSE_S = 0.05
AGAIN_EVENTS = 500
RECOVER_S = 90.0
ONE = {"Content-Type": "application/cloudevents+json"}
MANY = {"Content-Type": "application/cloudevents-batch+json"}
COMPARED = ("action_id", "outcome", "avoided_mg", "points", "methodology", "local_day")
RETRYABLE = (429, 503)

Name = tuple[str, str, str]
Answer = dict[str, Any]


class NotRecovered(RuntimeError):
    """The system takes no events although the fault is over."""


@dataclass(slots=True)
class Observed:
    """All that was sent, and all that was answered."""

    sent: dict[Name, str] = field(default_factory=dict)  # the event's text
    answers: dict[Name, Answer] = field(default_factory=dict)
    refusals: Counter[str] = field(default_factory=Counter)  # by status, or by the error's class
    wrong: list[str] = field(default_factory=list)  # what no fault excuses
    slowest_s: float = 0.0
    last_answer_at: float = 0.0

    def note(self, name: Name, answer: Answer) -> None:
        """This keeps the first answer to an event; another one later must say the same."""
        compared = {part: answer[part] for part in COMPARED}
        before = self.answers.setdefault(name, compared)
        if before != compared:
            self.wrong.append(f"{name} was answered {before} and later {compared}")

    def recorded(self) -> list[Answer]:
        """The answers to the distinct events that the totals count."""
        return [one for one in self.answers.values() if one["outcome"] in RECORDED]


@dataclass(slots=True)
class Workload:
    """`clients` that report events of a mix to all addresses of a system, until they are stopped.

    The same `seed` gives the same mix.
    """

    system: System
    urls: tuple[str, ...]
    clients: int
    seed: int
    observed: Observed = field(default_factory=Observed)
    _mix: Mix = field(init=False)

    def __post_init__(self) -> None:
        self._mix = Mix(PEOPLE, seed=self.seed)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Observed]:
        """This sends until the block ends, and waits for what is under way."""
        stop = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            for number in range(self.clients):
                group.create_task(self._send_until(stop, number))
            try:
                yield self.observed
            finally:
                stop.set()

    async def recovery_s(self) -> float:
        """Seconds from now until an event was taken. Raises NotRecovered when none is for long."""
        moment = time.monotonic()
        while self.observed.last_answer_at <= moment:
            if time.monotonic() - moment > RECOVER_S:
                raise NotRecovered(f"no event was taken for {RECOVER_S:.0f} s after the fault")
            await asyncio.sleep(PAUSE_S)
        return self.observed.last_answer_at - moment

    async def send_all_again(self) -> set[Name]:
        """This sends every event until it has an answer; the events that were new to the service.

        Raises NotRecovered when some are not taken for long.
        """
        new, left = set[Name](), list(self.observed.sent.items())
        deadline = time.monotonic() + RECOVER_S
        async with self._client(self.urls[0]) as client:
            while left:
                some, left = left[:AGAIN_EVENTS], left[AGAIN_EVENTS:]
                results = await self._ask(client, some)
                for (name, text), result in zip(some, results, strict=True):
                    if result is None:
                        left.append((name, text))
                    elif not result["duplicate"]:
                        new.add(name)
                if time.monotonic() > deadline:
                    raise NotRecovered(
                        f"{len(left)} events were not taken within {RECOVER_S:.0f} s"
                    )
                if any(result is None for result in results):
                    await asyncio.sleep(PAUSE_S)
        return new

    async def _send_until(self, stop: asyncio.Event, number: int) -> None:
        size = BATCH_EVENTS if number % 2 else 1
        async with self._client(self.urls[number // 2 % len(self.urls)]) as client:
            while not stop.is_set():
                events = dict(_named(self._mix.events(size)))
                self.observed.sent |= events
                results = await self._ask(client, list(events.items()))
                if any(result is None for result in results):
                    await asyncio.sleep(PAUSE_S)

    async def _ask(
        self, client: httpx.AsyncClient, events: Sequence[tuple[Name, str]]
    ) -> list[Answer | None]:
        """This sends events; the answer to each, None for one that was refused or lost."""
        texts, began = [text for _, text in events], time.monotonic()
        single = len(texts) == 1
        try:
            answer = await client.post(
                "/v1/events",
                content=texts[0] if single else f"[{','.join(texts)}]",
                headers=ONE if single else MANY,
            )
        except httpx.TransportError as error:
            self.observed.refusals[type(error).__name__] += 1
            return [None] * len(texts)
        now = time.monotonic()
        self.observed.slowest_s = max(self.observed.slowest_s, now - began)
        if not answer.is_success:
            self._refused(answer.status_code, answer.text, answer.headers.get("retry-after"))
            return [None] * len(texts)
        body = answer.json()
        results: list[Answer | None] = []
        for (name, _), result in zip(events, body.get("results", [body]), strict=True):
            if problem := result.get("problem"):
                self._refused(problem["status"], json.dumps(problem), retry_after="in a batch")
                results.append(None)
            else:
                self.observed.last_answer_at = now
                self.observed.note(name, result)
                results.append(result)
        return results

    def _refused(self, status: int, text: str, retry_after: str | None) -> None:
        self.observed.refusals[str(status)] += 1
        if status not in RETRYABLE:
            self.observed.wrong.append(f"an event was answered {status}: {text[:300]}")
        elif retry_after is None:
            self.observed.wrong.append(f"{status} without Retry-After: {text[:300]}")

    def _client(self, url: str) -> httpx.AsyncClient:
        return httpx.AsyncClient(
            base_url=url,
            headers={"Authorization": f"Bearer {self.system.partner_key}"},
            timeout=ANSWER_S,
            trust_env=False,
            verify=tls_context(),
        )


def _named(texts: Sequence[str]) -> Iterator[tuple[Name, str]]:
    for text in texts:
        event = json.loads(text)
        yield (event["source"], event["subject"], event["id"]), text

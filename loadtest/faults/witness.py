"""Clients that report events without a pause, and remember each event and its first answer."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from loadtest.audit import RECORDED
from loadtest.mix import Mix
from loadtest.system import System

PEOPLE = 200
BATCH_EVENTS = 20
ANSWER_S = 45.0  # the service gives up on its database before
PAUSE_S = 0.05
AGAIN_EVENTS = 500
RECOVER_S = 90.0
ONE = {"Content-Type": "application/cloudevents+json"}
MANY = {"Content-Type": "application/cloudevents-batch+json"}
KEPT = ("action_id", "outcome", "avoided_mg", "points", "methodology", "local_day")
COME_BACK = (429, 503)

Name = tuple[str, str, str]
Answer = dict[str, Any]


class NotBack(RuntimeError):
    """The system takes no events although the fault is over."""


@dataclass(slots=True)
class Seen:
    """All that was sent, and all that came back."""

    sent: dict[Name, str] = field(default_factory=dict)  # the event's text
    answers: dict[Name, Answer] = field(default_factory=dict)
    refusals: Counter[str] = field(default_factory=Counter)  # by what was said
    wrong: list[str] = field(default_factory=list)  # what no fault excuses
    unanswered: int = 0
    slowest_s: float = 0.0
    last_answer_at: float = 0.0

    def note(self, name: Name, answer: Answer) -> None:
        """Keep the first answer; another one later must say the same."""
        kept = {part: answer[part] for part in KEPT}
        before = self.answers.setdefault(name, kept)
        if before != kept:
            self.wrong.append(f"{name} was answered {before} and later {kept}")

    def recorded(self) -> list[Answer]:
        """The distinct events that the totals count."""
        return [one for one in self.answers.values() if one["outcome"] in RECORDED]


@dataclass(slots=True)
class Witness:
    """Speaks to every address of a system in turn."""

    system: System
    urls: tuple[str, ...]
    clients: int
    seen: Seen = field(default_factory=Seen)
    _mix: Mix = field(default_factory=lambda: Mix(PEOPLE, seed=time.time_ns()))

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[Seen]:
        """Send until the block ends, and wait for what is under way."""
        stop = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            for number in range(self.clients):
                group.create_task(self._send_until(stop, number))
            try:
                yield self.seen
            finally:
                stop.set()

    async def answered_after(self, moment: float, *, within_s: float = RECOVER_S) -> float:
        """Seconds from `moment` until an event was taken again. Raises NotBack."""
        while self.seen.last_answer_at <= moment:
            if time.monotonic() - moment > within_s:
                raise NotBack(f"no event was taken for {within_s:.0f} s after the fault")
            await asyncio.sleep(PAUSE_S)
        return self.seen.last_answer_at - moment

    async def send_all_again(self) -> set[Name]:
        """Until every event has an answer, old or new; those that were new this time."""
        fresh, left = set[Name](), list(self.seen.sent.items())
        deadline = time.monotonic() + RECOVER_S
        async with self._client(self.urls[0]) as client:
            while left:
                some, left = left[:AGAIN_EVENTS], left[AGAIN_EVENTS:]
                results = await self._ask(client, some)
                for (name, text), result in zip(some, results, strict=True):
                    if result is None:
                        left.append((name, text))
                    elif not result["duplicate"]:
                        fresh.add(name)
                if time.monotonic() > deadline:
                    raise NotBack(f"{len(left)} events were not taken within {RECOVER_S:.0f} s")
                if any(result is None for result in results):
                    await asyncio.sleep(PAUSE_S)
        return fresh

    async def _send_until(self, stop: asyncio.Event, number: int) -> None:
        size = BATCH_EVENTS if number % 2 else 1
        async with self._client(self.urls[number // 2 % len(self.urls)]) as client:
            while not stop.is_set():
                events = dict(_named(self._mix.events(size)))
                self.seen.sent |= events
                results = await self._ask(client, list(events.items()))
                if any(result is None for result in results):
                    await asyncio.sleep(PAUSE_S)

    async def _ask(
        self, client: httpx.AsyncClient, events: Sequence[tuple[Name, str]]
    ) -> list[Answer | None]:
        """The answer to each event; None for one that was refused or lost on the way."""
        texts, began = [text for _, text in events], time.monotonic()
        single = len(texts) == 1
        try:
            answer = await client.post(
                "/v1/events",
                content=texts[0] if single else f"[{','.join(texts)}]",
                headers=ONE if single else MANY,
            )
        except httpx.TransportError as error:
            self.seen.refusals[type(error).__name__] += 1
            self.seen.unanswered += len(texts)
            return [None] * len(texts)
        now = time.monotonic()
        self.seen.slowest_s = max(self.seen.slowest_s, now - began)
        if not answer.is_success:
            self._refused(answer.status_code, answer.text, answer.headers.get("retry-after"))
            return [None] * len(texts)
        body = answer.json()
        results: list[Answer | None] = []
        for (name, _), result in zip(events, body.get("results", [body]), strict=True):
            if problem := result.get("problem"):
                self._refused(problem["status"], json.dumps(problem), "in a batch")
                results.append(None)
            else:
                self.seen.last_answer_at = now
                self.seen.note(name, result)
                results.append(result)
        return results

    def _refused(self, status: int, text: str, come_back: str | None) -> None:
        self.seen.refusals[str(status)] += 1
        if status not in COME_BACK:
            self.seen.wrong.append(f"an event was answered {status}: {text[:300]}")
        elif come_back is None:
            self.seen.wrong.append(f"{status} without Retry-After: {text[:300]}")

    def _client(self, url: str) -> httpx.AsyncClient:
        return httpx.AsyncClient(
            base_url=url,
            headers={"Authorization": f"Bearer {self.system.partner_key}"},
            timeout=ANSWER_S,
            trust_env=False,
        )


def _named(texts: Sequence[str]) -> Iterator[tuple[Name, str]]:
    for text in texts:
        event = json.loads(text)
        yield (event["source"], event["subject"], event["id"]), text

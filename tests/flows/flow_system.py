"""A whole system as a user starts it: its own process group of real programs, found and asked from
outside only.

Nothing here waits for a time to pass: it waits until something is so, and gives up loudly.
"""

import asyncio
import re
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import httpx

from loadtest.harness import (
    HANG_S,
    SAXAUL,
    Done,
    SystemUnderTest,
    clean_environment,
    tls_context,
)
from service.clock import seconds

NOT_DURABLE = (sys.executable, str(Path(__file__).parents[1] / "up_not_durable.py"))
POLL_S = 0.005
SUMMED = ("avoided_mg", "actions", "people", "points")
_ROW = re.compile(r"[│|]\s*(\S*)\s*[│|]\s*(\S*)\s*[│|]\s*([\d,]+)\s*[│|]")


@dataclass(slots=True)
class System(SystemUnderTest):
    """A running system, asked over HTTP, by its commands, and by SQL."""

    def client(self, key: str = "backfill_key", **more: Any) -> httpx.AsyncClient:
        """Return an HTTP client with one of the demo's keys, or with a key of its own."""
        return httpx.AsyncClient(
            base_url=self.url,
            headers={"Authorization": f"Bearer {self.demo.get(key, key)}"},
            timeout=HANG_S,
            trust_env=False,
            verify=tls_context(),
            limits=httpx.Limits(max_connections=None),
            **more,
        )

    async def fetch(self, sql: str, *values: object) -> list[asyncpg.Record]:
        """Return rows from the database itself."""
        connection = await asyncpg.connect(self.demo["database_url"])
        try:
            return list(await connection.fetch(sql, *values))
        finally:
            await connection.close()

    async def count(self, sql: str, *values: object) -> int:
        """Return one number from the database itself."""
        return int((await self.fetch(sql, *values))[0][0])

    async def totals(self) -> dict[str, Any]:
        """Return the public totals, without what moves on with the time."""
        async with self.client() as client:
            return summed((await client.get("/v1/totals")).raise_for_status().json())

    async def settled(self) -> dict[str, Any]:
        """Return the public totals once they are what the facts in the database add up to."""
        facts = (await self.fetch(_FACTS))[0]
        known = {
            "avoided_mg": int(facts["avoided_mg"]),
            "actions": int(facts["actions"]),
            "people": int(facts["people"]),
            "points": int(facts["points"]),
        }
        seen: list[dict[str, Any]] = [{}]

        async def equal() -> bool:
            seen[0] = await self.totals()
            return {name: seen[0][name] for name in SUMMED} == known

        await until(equal, lambda: f"totals stay at {seen[0]}, the facts are {known}")
        return seen[0]

    async def assert_durable(self) -> None:
        """Assert that commits are on the disk, unlike those of the servers of other tests."""
        for setting in ("fsync", "full_page_writes", "synchronous_commit"):
            assert (await self.fetch(f"SHOW {setting}"))[0][0] == "on", setting

    async def assert_reconciled(self) -> None:
        """Assert that `saxaul reconcile` finds every rule kept."""
        done = await self.saxaul("reconcile")
        assert done.code == 0, done.text


# Facts only: no projection is asked.
_FACTS = """
    SELECT coalesce(sum(avoided_mg) FILTER (WHERE scope = '3+' AND level <> 'L0'), 0) AS avoided_mg,
           coalesce(sum(actions) FILTER (WHERE scope = '3+' AND level <> 'L0'), 0) AS actions,
           coalesce(sum(points), 0) AS points,
           (SELECT count(*) FROM account WHERE counted) AS people
    FROM (
        SELECT avoided_mg, 1 AS actions, points, scope, evidence_level AS level FROM action
        WHERE outcome IN ('credited', 'capped', 'zero')
        UNION ALL
        SELECT -reversal.avoided_mg, -1, -reversal.points, scope, evidence_level
        FROM reversal JOIN action USING (bucket, person_id, action_id)
    ) AS fact
"""


def outcomes_of(replay: Done) -> dict[str, int]:
    """Return the summary that a replay printed: events by outcome, and by `outcome:reason`."""
    found: dict[str, int] = {}
    last = ""
    for outcome, reason, count in _ROW.findall(replay.text):
        last = outcome or last
        found[f"{last}:{reason}" if reason else last] = int(count.replace(",", ""))
    return found


def summed(totals: Mapping[str, Any]) -> dict[str, Any]:
    """Return what of the totals changes only when something is counted."""
    split = {name: rows for name, rows in totals.items() if name.startswith("by_")}
    return {**split, **{name: int(totals[name]) for name in SUMMED}}


async def until(done: Callable[[], Awaitable[object]], why: Callable[[], str]) -> None:
    """Wait until a condition is true; fail loudly when it stays false."""
    deadline = seconds() + HANG_S
    while not await done():
        assert seconds() < deadline, why()
        await asyncio.sleep(POLL_S)


def environment(home: Path, **settings: object) -> dict[str, str]:
    """Return the environment of a program of this system, free of what is set around the tests."""
    inherited = clean_environment()
    named = {f"SAXAUL_{name.upper()}": str(value) for name, value in settings.items()}
    shared = {"SAXAUL_HOME": str(home), "COLUMNS": "120"}
    # Replayed rides of 617 m are below any plausible mean; tests/service/guards holds and releases.
    return {"SAXAUL_GUARD_SECONDS": "0", **inherited, **named, **shared}


@contextmanager
def running_system(
    home: Path, starter: Sequence[str] = SAXAUL, **settings: object
) -> Iterator[System]:
    """`saxaul up`, ready; stopped with SIGTERM at the end, which must be a clean stop."""
    system = System(home, environment(home, port=0, **settings), starter=starter)
    system.start()
    try:
        assert "Saxaul is running" in system.output
        ready = httpx.get(f"{system.url}/readyz", timeout=HANG_S, trust_env=False)
        assert ready.is_success, ready.text
        yield system
    finally:
        was_running = system.process.poll() is None
        code = system.stop()
    if was_running:
        assert code == 0, system.output
        assert "Stopped" in system.output

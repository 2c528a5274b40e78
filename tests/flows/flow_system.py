"""A whole system as a user starts it: its own process group of real programs, found and asked from
outside only.

Nothing here waits for a time to pass: it waits until something is so, and gives up loudly.
"""

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import httpx

from service.clock import seconds
from service.embedded.process import command_line, wait_until

SAXAUL = (sys.executable, "-m", "service.cli")
HANG_S = 120.0  # what takes longer than this has stopped for good
POLL_S = 0.005
PROGRAMS = {
    "api": "service.main",
    "worker": "workers.main",
    "valkey": "valkey.conf",
    "postgres": "bin/postgres",
}
SUMMED = ("avoided_mg", "actions", "people", "points")
_ROW = re.compile(r"[│|]\s*(\S*)\s*[│|]\s*(\S*)\s*[│|]\s*([\d,]+)\s*[│|]")


@dataclass(frozen=True, slots=True)
class System:
    """A running system: the folder it lives in, its supervisor, and what `demo.json` says."""

    home: Path
    process: subprocess.Popen[bytes]
    demo: dict[str, Any]

    @property
    def url(self) -> str:
        return str(self.demo["url"])

    @property
    def output(self) -> str:
        return (self.home / "output").read_text()

    def pids(self, program: str) -> list[int]:
        """The supervisor's children that run a program."""
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                status = (entry / "status").read_text()
            except (FileNotFoundError, ProcessLookupError):
                continue
            if f"PPid:\t{self.process.pid}\n" not in status:
                continue
            arguments = command_line(int(entry.name))[:4]
            if any(PROGRAMS[program] in part for part in arguments):
                found.append(int(entry.name))
        return found

    def strike(self, program: str, number: signal.Signals = signal.SIGKILL) -> None:
        """Send a signal to every process of a program."""
        struck = self.pids(program)
        assert struck, f"no {program} is running:\n{self.output}"
        for pid in struck:
            os.kill(pid, number)

    def client(self, key: str = "backfill_key", **more: Any) -> httpx.AsyncClient:
        """An HTTP client that speaks with one of the demo's keys, or with a key of its own."""
        return httpx.AsyncClient(
            base_url=self.url,
            headers={"Authorization": f"Bearer {self.demo.get(key, key)}"},
            timeout=HANG_S,
            trust_env=False,
            limits=httpx.Limits(max_connections=None),
            **more,
        )

    def env(self) -> dict[str, str]:
        return environment(self.home)

    async def saxaul(self, *arguments: str) -> "Done":
        """Run a command as a user would in another terminal."""
        async with self.command(*arguments) as running:
            return await finished(running)

    @asynccontextmanager
    async def command(self, *arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
        """A command while it runs, with a pipe to its standard input; killed if it is left."""
        process = await asyncio.create_subprocess_exec(
            *SAXAUL,
            *arguments,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=self.env(),
        )
        try:
            yield process
        finally:
            if process.returncode is None:
                process.kill()
                await process.communicate()

    async def fetch(self, sql: str, *values: object) -> list[asyncpg.Record]:
        """Ask the database itself."""
        connection = await asyncpg.connect(self.demo["database_url"])
        try:
            return list(await connection.fetch(sql, *values))
        finally:
            await connection.close()

    async def count(self, sql: str, *values: object) -> int:
        """One number from the database itself."""
        return int((await self.fetch(sql, *values))[0][0])

    async def totals(self) -> dict[str, Any]:
        """The public totals, without what moves on with the time."""
        async with self.client() as client:
            return summed((await client.get("/v1/totals")).raise_for_status().json())

    async def settled(self) -> dict[str, Any]:
        """The public totals once they are what the facts in the database add up to."""
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

    async def assert_reconciled(self) -> None:
        """`saxaul reconcile` has nothing to complain of."""
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


@dataclass(frozen=True, slots=True)
class Done:
    """What a command left behind."""

    code: int
    text: str

    def outcomes(self) -> dict[str, int]:
        """The summary of a replay: events by outcome, and by `outcome:reason`."""
        found: dict[str, int] = {}
        last = ""
        for outcome, reason, count in _ROW.findall(self.text):
            last = outcome or last
            found[f"{last}:{reason}" if reason else last] = int(count.replace(",", ""))
        return found


async def finished(process: asyncio.subprocess.Process) -> Done:
    """The end of a command."""
    async with asyncio.timeout(HANG_S):
        out, error = await process.communicate()
    assert process.returncode is not None
    return Done(process.returncode, out.decode() + error.decode())


def summed(totals: Mapping[str, Any]) -> dict[str, Any]:
    """What of the totals changes only when something is counted."""
    split = {name: rows for name, rows in totals.items() if name.startswith("by_")}
    return {**split, **{name: int(totals[name]) for name in SUMMED}}


async def until(done: Callable[[], Awaitable[object]], why: Callable[[], str]) -> None:
    """Wait until something is so."""
    deadline = seconds() + HANG_S
    while not await done():
        assert seconds() < deadline, why()
        await asyncio.sleep(POLL_S)


def environment(home: Path, **settings: object) -> dict[str, str]:
    """The environment of a program of this system, free of what is set around the tests.

    Many programs start here, so what is compiled is kept, beside the system's folder.
    """
    own = ("SAXAUL_", "DATABASE_URL", "REDIS_URL", "PYTHONDONTWRITEBYTECODE")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(own)}
    named = {f"SAXAUL_{name.upper()}": str(value) for name, value in settings.items()}
    compiled = str(home.parent / "compiled")
    shared = {"SAXAUL_HOME": str(home), "PYTHONPYCACHEPREFIX": compiled, "COLUMNS": "120"}
    # Replayed rides of 617 m are below any plausible mean; tests/service/guards holds and releases.
    return {"SAXAUL_GUARD_SECONDS": "0", **kept, **named, **shared}


@contextmanager
def running_system(home: Path, **settings: object) -> Iterator[System]:
    """`saxaul up`, ready; stopped with SIGTERM at the end, which must be a clean stop."""
    home.mkdir(exist_ok=True)
    output = home / "output"
    with (
        output.open("wb") as writer,
        subprocess.Popen(
            [*SAXAUL, "up"],
            stdout=writer,
            stderr=subprocess.STDOUT,
            env=environment(home, port=0, **settings),
        ) as process,
    ):
        try:
            wait_until(
                lambda: "Saxaul is running" in output.read_text() or process.poll() is not None,
                seconds=2 * HANG_S,
            )
            assert "Saxaul is running" in output.read_text(), output.read_text()
            system = System(home, process, json.loads((home / "demo.json").read_text()))
            ready = httpx.get(f"{system.url}/readyz", timeout=HANG_S, trust_env=False)
            assert ready.is_success, ready.text
            yield system
        finally:
            was_running = process.poll() is None
            process.terminate()
            code = process.wait(timeout=HANG_S)
        if was_running:
            assert code == 0, output.read_text()
            assert "Stopped" in output.read_text()

"""What faults happen to: a whole system of our own, and what a fault may do to its processes."""

import asyncio
import os
import shutil
import signal
import subprocess
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import httpx
from redis.asyncio import Redis

from loadtest.faults.proxy import Proxy, proxied
from loadtest.harness import NotRunning, SystemUnderTest
from loadtest.system import System, another_api, system_in, system_of

NETWORKED = "networked"


class Skipped(RuntimeError):
    """A fault cannot be made here; the message says why."""


@dataclass(slots=True)
class Stage:
    """One system under test; `urls` are all addresses of its API."""

    tested: SystemUnderTest
    system: System
    urls: tuple[str, ...]
    database: Proxy | None = None
    valkey: Proxy | None = None

    def strike(self, program: str, number: signal.Signals) -> None:
        """Send a signal to the supervisor's children that run a program."""
        if not self.tested.send_signal(program, number):
            raise Skipped(f"no {program} runs below `saxaul up`")

    async def flush(self) -> None:
        """Forget everything that is in Valkey."""
        assert self.system.redis_url is not None
        async with Redis.from_url(self.system.redis_url) as valkey:
            await valkey.flushall()

    async def restart(self) -> None:
        """Kill the supervisor, which takes everything with it, and start again."""
        await asyncio.to_thread(self.tested.kill)
        await asyncio.to_thread(self.tested.start)
        self.system = system_of(self.tested)


@dataclass(slots=True)
class Stages:
    """Makes stages in one folder, each when it is first wanted, and stops them all at the end."""

    place: Path
    _tested: list[SystemUnderTest] = field(default_factory=list)
    _plain: Stage | None = None
    _networked: Stage | None = None
    _proxies: AsyncExitStack = field(default_factory=AsyncExitStack)

    async def plain(self) -> Stage:
        """The embedded default, for all that comes back after a harm."""
        if self._plain is None:
            self._plain = await self._start("plain")
        return self._plain

    async def networked(self) -> Stage:
        """A system whose database and Valkey are the plain one's, behind proxies."""
        if self._networked is not None:
            return self._networked
        plain = (await self.plain()).system
        assert plain.database_url is not None
        assert plain.redis_url is not None
        connection = await asyncpg.connect(plain.database_url)
        try:
            await connection.execute(f"CREATE DATABASE {NETWORKED}")
        finally:
            await connection.close()
        database, database_url = await self._proxies.enter_async_context(
            proxied(_named(plain.database_url, NETWORKED))
        )
        valkey, redis_url = await self._proxies.enter_async_context(
            proxied(_named(plain.redis_url, "1"))
        )
        stage = await self._start(
            NETWORKED,
            DATABASE_URL=database_url,
            REDIS_URL=redis_url,
            SAXAUL_WEBHOOK_LOOPBACK="true",  # the receiver is here, as these servers are
        )
        stage.database, stage.valkey = database, valkey
        self._networked = stage
        return stage

    @asynccontextmanager
    async def with_small_disk(self, size_mib: int) -> AsyncIterator[tuple[Stage, Path]]:
        """A system whose database lives on a disk of this size, and the disk's folder."""
        if os.geteuid() != 0:
            raise Skipped("a small disk is mounted by root only")
        folder = self.place / "small"
        disk = folder / "home" / "postgres"
        folder.mkdir(mode=0o711)
        disk.mkdir(parents=True)
        await asyncio.to_thread(_mount, disk, size_mib)
        stage = None
        try:
            (folder / "home").chmod(0o711)
            stage = await self._start("small")
            yield stage, disk
        finally:
            if stage is not None:
                await asyncio.to_thread(stage.tested.stop)
            await asyncio.to_thread(subprocess.run, ["umount", "--lazy", str(disk)], check=False)

    @asynccontextmanager
    async def with_skewed_clock(self, ahead_s: int) -> AsyncIterator[tuple[Stage, float]]:
        """The plain system and one more API process, whose clock is ahead, and by how much it is.

        Time is faked for that process alone by libfaketime; what measures durations stays true.
        """
        program = shutil.which("faketime")
        if program is None:
            raise Skipped("faketime is not installed (Debian: apt install faketime)")
        plain = await self.plain()
        with ExitStack() as stack:
            below = (program, "-f", f"{ahead_s:+d}s")
            started = another_api(plain.system, below=below, FAKETIME_DONT_FAKE_MONOTONIC="1")
            try:
                skewed, _ = stack.enter_context(started)
            except NotRunning as error:
                raise Skipped("an API process with another clock does not start") from error
            urls = (*plain.urls, skewed.url)
            yield Stage(plain.tested, plain.system, urls), await _clock_ahead(skewed.url)

    async def stop(self) -> None:
        """Stop what still runs, the newest first."""
        for tested in reversed(self._tested):
            await asyncio.to_thread(tested.stop)
        await self._proxies.aclose()

    async def _start(self, name: str, **environment: str) -> Stage:
        folder = self.place / name
        folder.mkdir(exist_ok=True, mode=0o711)
        tested = system_in(folder, **environment)
        self._tested.append(tested)
        await asyncio.to_thread(tested.start)
        system = system_of(tested)
        return Stage(tested, system, (system.url,))


def _named(url: str, path: str) -> str:
    return urlunsplit(urlsplit(url)._replace(path=f"/{path}"))


def _mount(disk: Path, size_mib: int) -> None:
    """Put an empty disk of its own at a folder."""
    options = f"size={size_mib}m,mode=711"
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(disk)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise Skipped(f"a small disk cannot be mounted: {done.stderr.strip()}")


async def _clock_ahead(url: str) -> float:
    """Seconds by which the clock of the API at `url` is ahead, as its Date header tells."""
    async with httpx.AsyncClient(trust_env=False) as client:
        told = (await client.get(f"{url}/healthz")).headers["date"]
    return parsedate_to_datetime(told).timestamp() - time.time()

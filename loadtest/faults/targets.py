"""The systems that faults happen to, each made when the first fault asks for it."""

import asyncio
import os
import shutil
import subprocess
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from email.utils import parsedate_to_datetime
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import httpx
from redis.asyncio import Redis

from loadtest.faults.proxy import Proxy, proxied
from loadtest.harness import NotRunning, SystemUnderTest, tls_context
from loadtest.system import System, another_api, system_in, system_of

NETWORKED = "networked"
SMALL_DISK_MIB = 192
AHEAD_S = 150  # events may be 300 s ahead of a clock


class Skipped(RuntimeError):
    """A fault cannot be made here; the message says why."""


class NotFelt(RuntimeError):
    """A fault changed nothing that clients notice, so it shows nothing."""


@dataclass(slots=True)
class Target:
    """A system under test, and what of it a fault may change.

    `system` is another one after a restart; `urls` are all addresses of its API. `refused` is how
    many requests of the workload were refused or lost so far.
    """

    tested: SystemUnderTest
    system: System
    urls: tuple[str, ...]
    postgres: Proxy | None = None
    valkey: Proxy | None = None
    disk: Path | None = None
    refused: Callable[[], int] = lambda: 0

    async def flush_valkey(self) -> None:
        """This removes everything that is in Valkey."""
        assert self.system.redis_url is not None
        async with Redis.from_url(self.system.redis_url) as valkey:
            await valkey.flushall()

    async def restart(self) -> None:
        """This kills the supervisor, and everything with it, and starts the system again."""
        await asyncio.to_thread(self.tested.kill)
        await asyncio.to_thread(self.tested.start)
        self.system = system_of(self.tested)


@dataclass(slots=True)
class Targets:
    """This makes targets below one folder, keeps those that survive a fault, and stops all.

    All of them raise NotRunning when the system does not start.
    """

    folder: Path
    _started: list[SystemUnderTest] = field(default_factory=list)
    _plain: Target | None = None
    _networked: Target | None = None
    _proxies: AsyncExitStack = field(default_factory=AsyncExitStack)

    @asynccontextmanager
    async def plain(self) -> AsyncIterator[Target]:
        """The embedded default, for all that comes back after a fault."""
        if self._plain is None:
            self._plain = await self._start("plain")
        yield self._plain

    @asynccontextmanager
    async def networked(self) -> AsyncIterator[Target]:
        """A system whose database and Valkey are the plain one's, behind proxies."""
        if self._networked is None:
            async with self.plain() as plain:
                self._networked = await self._start_behind_proxies(plain.system)
        yield self._networked

    @asynccontextmanager
    async def with_small_disk(self) -> AsyncIterator[Target]:
        """A system whose database lives on a small disk of its own. Only root can mount one."""
        if os.geteuid() != 0:
            raise Skipped("a small disk is mounted by root only")
        folder = self.folder / "small"
        disk = folder / "home" / "postgres"
        folder.mkdir(mode=0o711)
        disk.mkdir(parents=True)
        await asyncio.to_thread(_mount, disk, SMALL_DISK_MIB)
        try:
            (folder / "home").chmod(0o711)
            target = await self._start("small")
            target.disk = disk
            try:
                yield target
            finally:
                await asyncio.to_thread(target.tested.stop)
        finally:
            await asyncio.to_thread(subprocess.run, ["umount", "--lazy", str(disk)], check=False)

    @asynccontextmanager
    async def with_skewed_clock(self) -> AsyncIterator[Target]:
        """The plain system and one more API process, whose clock is ahead.

        Time is faked for that process alone by libfaketime; what measures durations stays true.
        """
        faketime = shutil.which("faketime")
        if faketime is None:
            raise Skipped("faketime is not installed (Debian: apt install faketime)")
        below = (faketime, "-f", f"{AHEAD_S:+d}s")
        async with self.plain() as plain:
            with ExitStack() as stack:
                more = another_api(
                    plain.system,
                    below=below,
                    FAKETIME_DONT_FAKE_MONOTONIC="1",
                    SAXAUL_POLICY=plain.tested.environment["SAXAUL_POLICY"],
                )
                try:
                    skewed, _ = stack.enter_context(more)
                except NotRunning as error:
                    raise Skipped("an API process with another clock does not start") from error
                ahead_s = await _clock_ahead_s(skewed.url)
                if abs(ahead_s - AHEAD_S) > AHEAD_S / 2:
                    raise Skipped(f"faketime has no effect: the clock is {ahead_s:.0f} s ahead")
                yield replace(plain, urls=(*plain.urls, skewed.url))

    async def stop(self) -> None:
        """This stops what still runs, the newest first."""
        for tested in reversed(self._started):
            await asyncio.to_thread(tested.stop)
        await self._proxies.aclose()

    async def _start(self, name: str, **environment: str) -> Target:
        folder = self.folder / name
        folder.mkdir(exist_ok=True, mode=0o711)
        tested = system_in(folder, **environment)
        self._started.append(tested)
        await asyncio.to_thread(tested.start)
        system = system_of(tested)
        return Target(tested, system, (system.url,))

    async def _start_behind_proxies(self, plain: System) -> Target:
        assert plain.database_url is not None
        assert plain.redis_url is not None
        connection = await asyncpg.connect(plain.database_url)
        try:
            await connection.execute(f"CREATE DATABASE {NETWORKED}")
        finally:
            await connection.close()
        postgres, database_url = await self._proxies.enter_async_context(
            proxied(_with_path(plain.database_url, NETWORKED))
        )
        valkey, redis_url = await self._proxies.enter_async_context(
            proxied(_with_path(plain.redis_url, "1"))
        )
        target = await self._start(
            NETWORKED,
            DATABASE_URL=database_url,
            REDIS_URL=redis_url,
            SAXAUL_WEBHOOK_LOOPBACK="true",  # the receiver is here, as these servers are
        )
        return replace(target, postgres=postgres, valkey=valkey)


def _with_path(url: str, path: str) -> str:
    return urlunsplit(urlsplit(url)._replace(path=f"/{path}"))


def _mount(disk: Path, size_mib: int) -> None:
    """This puts an empty disk at a folder. Raises Skipped where that is not allowed."""
    options = f"size={size_mib}m,mode=711"
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(disk)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise Skipped(f"a small disk cannot be mounted: {done.stderr.strip()}")


async def _clock_ahead_s(url: str) -> float:
    """Seconds by which the clock of the API at `url` is ahead, as its Date header says."""
    async with httpx.AsyncClient(trust_env=False, verify=tls_context()) as client:
        date = (await client.get(f"{url}/healthz")).headers["date"]
    return parsedate_to_datetime(date).timestamp() - time.time()

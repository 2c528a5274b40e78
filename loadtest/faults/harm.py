"""The faults, each one function: do harm, and make it good again unless the system does so."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from loadtest.faults.proxy import Network
from loadtest.faults.stage import Skipped, Stage, Stages

SMALL_DISK_MIB = 192
AHEAD_S = 150  # events may be 300 s ahead of a clock
BALLAST_CHUNK = 1024 * 1024

Harm = Callable[[float], Awaitable[None]]  # how long it lasts, in seconds


@dataclass(slots=True)
class Scene:
    """A stage, and the harm that is done on it. `stage.system` may change with the harm."""

    stage: Stage
    harm: Harm


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault's name and what it is; `scene` sets it up."""

    name: str
    what: str
    scene: Callable[[Stages], AbstractAsyncContextManager[Scene]]


@asynccontextmanager
async def struck(program: str, number: signal.Signals, stages: Stages) -> AsyncIterator[Scene]:
    """A signal; the supervisor starts the program again."""
    stage = await stages.plain()

    async def harm(seconds: float) -> None:
        stage.strike(program, number)
        await asyncio.sleep(seconds)

    yield Scene(stage, harm)


@asynccontextmanager
async def whole_system_killed(stages: Stages) -> AsyncIterator[Scene]:
    """The supervisor is killed, which takes everything with it."""
    stage = await stages.plain()

    async def harm(_: float) -> None:
        await stage.restart()

    yield Scene(stage, harm)


@asynccontextmanager
async def flushed(stages: Stages) -> AsyncIterator[Scene]:
    """FLUSHALL, again and again."""
    stage = await stages.plain()

    async def harm(seconds: float) -> None:
        for _ in range(3):
            await stage.flush()
            await asyncio.sleep(seconds / 3)

    yield Scene(stage, harm)


@asynccontextmanager
async def bad_network(server: str, kind: Network, stages: Stages) -> AsyncIterator[Scene]:
    """The network between the service and one of its servers is bad for a while."""
    stage = await stages.networked()
    proxy = stage.database if server == "postgres" else stage.valkey
    assert proxy is not None

    async def harm(seconds: float) -> None:
        proxy.become(kind)
        try:
            await asyncio.sleep(seconds)
        finally:
            proxy.become(Network.FINE)

    yield Scene(stage, harm)


@asynccontextmanager
async def full_disk(stages: Stages) -> AsyncIterator[Scene]:
    """Something else fills the database's disk, and is removed later."""
    async with stages.with_small_disk(SMALL_DISK_MIB) as (stage, disk):

        async def harm(seconds: float) -> None:
            ballast = disk / "ballast"
            await asyncio.to_thread(_fill, ballast)
            try:
                await asyncio.sleep(seconds)
            finally:
                ballast.unlink()

        yield Scene(stage, harm)


@asynccontextmanager
async def skewed_clock(stages: Stages) -> AsyncIterator[Scene]:
    """Two API processes on one database, one of them ahead of the other."""
    async with stages.with_skewed_clock(AHEAD_S) as (stage, ahead_s):
        if abs(ahead_s - AHEAD_S) > AHEAD_S / 2:
            raise Skipped(f"faketime has no effect: the clock is {ahead_s:.0f} s ahead")
        yield Scene(stage, asyncio.sleep)


def _fill(file: Path) -> None:
    """Write until nothing fits any more."""
    chunk = bytes(BALLAST_CHUNK)
    with file.open("wb", buffering=0) as out:
        while chunk:
            try:
                os.write(out.fileno(), chunk)
            except OSError:
                chunk = chunk[: len(chunk) // 2]


def _kill(
    program: str, number: signal.Signals = signal.SIGKILL
) -> Callable[[Stages], AbstractAsyncContextManager[Scene]]:
    return partial(struck, program, number)


def _network(server: str, kind: Network) -> Fault:
    effects = {
        Network.STALL: "nothing arrives for a while",
        Network.DROP: "what is said arrives, and the answers are lost",
        Network.DELAY: "everything arrives late",
        Network.RESET: "connections are torn down, again and again",
    }
    return Fault(
        f"{server}-{kind}",
        f"network to {server}: {effects[kind]}",
        partial(bad_network, server, kind),
    )


_ALL = (
    Fault("kill-api", "kill -9 of the API", _kill("api")),
    Fault("kill-worker", "kill -9 of the worker", _kill("worker")),
    Fault("kill-postgres", "kill -9 of PostgreSQL", _kill("postgres")),
    Fault("kill-valkey", "kill -9 of Valkey", _kill("valkey")),
    Fault("kill-supervisor", "kill -9 of `saxaul up`, then start it again", whole_system_killed),
    Fault("restart-postgres", "fast restart of PostgreSQL", _kill("postgres", signal.SIGINT)),
    Fault("restart-valkey", "restart of Valkey", _kill("valkey", signal.SIGTERM)),
    Fault("flush-valkey", "FLUSHALL, three times", flushed),
    *(
        _network(server, kind)
        for server in ("postgres", "valkey")
        for kind in (Network.STALL, Network.DROP, Network.DELAY, Network.RESET)
    ),
    Fault("full-disk", "the disk of PostgreSQL is full", full_disk),
    Fault("clock-skew", f"two API processes, one {AHEAD_S} s ahead", skewed_clock),
)
FAULTS: Mapping[str, Fault] = {fault.name: fault for fault in _ALL}

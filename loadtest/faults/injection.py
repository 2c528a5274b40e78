"""The faults. Each is injected into a system for some seconds, and taken back at their end."""

import asyncio
import os
import signal
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from loadtest.faults.proxy import Network
from loadtest.faults.targets import AHEAD_S, NotFelt, Skipped, Target, Targets

BALLAST_CHUNK = 1024 * 1024
FLUSHES = 3
FELT_S = 90.0
POLL_S = 0.05


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault: `target` makes the system that it happens to, `inject` lets it last so many seconds.

    Both raise Skipped where the fault cannot be made.
    """

    name: str
    what: str
    target: Callable[[Targets], AbstractAsyncContextManager[Target]]
    inject: Callable[[Target, float], Awaitable[None]]


async def signal_program(
    program: str, number: signal.Signals, target: Target, seconds: float
) -> None:
    """This sends a signal to a program; the supervisor starts it again."""
    if not target.tested.send_signal(program, number):
        raise Skipped(f"no {program} runs below `saxaul up`")
    await asyncio.sleep(seconds)


async def kill_supervisor(target: Target, _: float) -> None:
    """This kills the supervisor, which takes everything with it, and starts the system again."""
    await target.restart()


async def flush_valkey(target: Target, seconds: float) -> None:
    """This empties Valkey again and again."""
    for _ in range(FLUSHES):
        await target.flush_valkey()
        await asyncio.sleep(seconds / FLUSHES)


async def worsen_network(server: str, kind: Network, target: Target, seconds: float) -> None:
    """This makes the network between the service and one of its servers bad for a while."""
    proxy = target.postgres if server == "postgres" else target.valkey
    assert proxy is not None
    proxy.become(kind)
    try:
        await asyncio.sleep(seconds)
    finally:
        proxy.become(Network.FINE)


async def fill_disk(target: Target, seconds: float) -> None:
    """This fills the database's disk with something else, until it was felt and for `seconds`.

    The database has some room left in its own files. Raises NotFelt when that lasts for long.
    """
    assert target.disk is not None
    ballast, refused = target.disk / "ballast", target.refused()
    await asyncio.to_thread(_write_until_full, ballast)
    try:
        deadline = time.monotonic() + FELT_S
        while target.refused() == refused:
            if time.monotonic() > deadline:
                raise NotFelt(f"no event was refused for {FELT_S:.0f} s on a full disk")
            await asyncio.sleep(POLL_S)
        await asyncio.sleep(seconds)
    finally:
        ballast.unlink()


async def run_with_skewed_clock(_: Target, seconds: float) -> None:
    """This lets the load go on: the fault is the target itself, of which one clock is ahead."""
    await asyncio.sleep(seconds)


def _write_until_full(file: Path) -> None:
    chunk = bytes(BALLAST_CHUNK)
    with file.open("wb", buffering=0) as out:
        while chunk:
            try:
                os.write(out.fileno(), chunk)
            except OSError:
                chunk = chunk[: len(chunk) // 2]


def _signal(name: str, what: str, program: str, number: signal.Signals) -> Fault:
    return Fault(name, what, Targets.plain, partial(signal_program, program, number))


def _kill(program: str, label: str) -> Fault:
    return _signal(f"kill-{program}", f"kill -9 of {label}", program, signal.SIGKILL)


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
        Targets.networked,
        partial(worsen_network, server, kind),
    )


_ALL = (
    _kill("api", "the API"),
    _kill("worker", "the worker"),
    _kill("postgres", "PostgreSQL"),
    _kill("valkey", "Valkey"),
    Fault(
        "kill-supervisor",
        "kill -9 of `saxaul up`, then start it again",
        Targets.plain,
        kill_supervisor,
    ),
    _signal("restart-postgres", "fast restart of PostgreSQL", "postgres", signal.SIGINT),
    _signal("restart-valkey", "restart of Valkey", "valkey", signal.SIGTERM),
    Fault("flush-valkey", "FLUSHALL, three times", Targets.plain, flush_valkey),
    *(
        _network(server, kind)
        for server in ("postgres", "valkey")
        for kind in (Network.STALL, Network.DROP, Network.DELAY, Network.RESET)
    ),
    Fault("full-disk", "the disk of PostgreSQL is full", Targets.with_small_disk, fill_disk),
    Fault(
        "clock-skew",
        f"two API processes, one {AHEAD_S} s ahead",
        Targets.with_skewed_clock,
        run_with_skewed_clock,
    ),
)
FAULTS: Mapping[str, Fault] = {fault.name: fault for fault in _ALL}

"""Where payloads are mapped: here if it is little work, else in a process that can be killed."""

import asyncio
import os
import pickle
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from service.errors import MappersBusy, MappingTooSlow, ServiceError
from service.webhooks.inbound.expressions import Budget
from service.webhooks.inbound.mapping import CompiledMapping, ItemSeen, Mapped
from service.webhooks.inbound.mapping_worker import LENGTH_BYTES, Done, Job, done, framed

PROGRAM = "service.webhooks.inbound.mapping_worker"
# What is mapped in the API's own process: some milliseconds at most, whatever the payload says.
HERE_BYTES = 32 * 1024
HERE_STEPS = 1_000
WALL_S = 0.25
PROCESSES = 2
WAITING_MAX = 64
START_S = 60.0
INHERITED = ("PATH", "PYTHONPATH", "VIRTUAL_ENV", "LANG", "TZ", "PYTHONTZPATH")


class Mappers:
    """Maps payloads, and keeps a few processes for the heavy ones.

    A process is started when it is first needed and kept; one that takes longer than `wall_s` over
    a payload is killed, and another one started in its place.
    """

    def __init__(self, *, here_steps: int = HERE_STEPS, wall_s: float = WALL_S) -> None:
        self.here_steps = here_steps
        self.wall_s = wall_s
        self.started = 0
        self._idle: list[Process] = []
        self._free = asyncio.Semaphore(PROCESSES)
        self._waiting = 0

    async def mapped(self, mapping: CompiledMapping, body: bytes) -> Mapped:
        """Return everything in a payload.

        Raises BodyNotJson, PayloadNotMapped, BatchTooLarge, and MappingTooSlow or MappersBusy.
        """
        found = await self._done(Job(mapping.source, body, None))
        assert isinstance(found, Mapped)
        return found

    async def shown(self, mapping: CompiledMapping, body: bytes, most: int) -> list[ItemSeen]:
        """Return what each rule makes of each of the first items. Raises as `mapped` does."""
        found = await self._done(Job(mapping.source, body, most))
        assert isinstance(found, list)
        return found

    async def close(self) -> None:
        """End all processes that are not at work; those that are end with their request."""
        while self._idle:
            await _kill(self._idle.pop())

    async def _done(self, job: Job) -> Mapped | list[ItemSeen]:
        found: Done | None = None
        if len(job.body) <= HERE_BYTES:
            budget = Budget(self.here_steps)
            found = done(job, budget)
            if budget.is_spent:
                found = None
        if found is None:
            found = await self._apart(job)
        if isinstance(found, ServiceError):
            raise found
        return found

    async def _apart(self, job: Job) -> Done:
        if self._waiting >= WAITING_MAX:
            raise MappersBusy("Many heavy messages are being read; send this one again shortly.")
        self._waiting += 1
        try:
            async with self._free, self._process() as process:
                try:
                    async with asyncio.timeout(self.wall_s):
                        answer: Done = pickle.loads(  # noqa: S301  of our own process
                            await _asked(process, pickle.dumps(job))
                        )
                except (TimeoutError, asyncio.IncompleteReadError, ConnectionError) as error:
                    raise MappingTooSlow(
                        f"The connector's expressions took longer than {self.wall_s:g} seconds "
                        "over this payload. Make them simpler, or send fewer items at a time."
                    ) from error
                return answer
        finally:
            self._waiting -= 1

    @asynccontextmanager
    async def _process(self) -> AsyncIterator[Process]:
        """Lend a process; it is kept if all went well, and replaced if not."""
        process = self._idle.pop() if self._idle else await self._start()
        has_answered = False
        try:
            yield process
            has_answered = True
        finally:
            if not has_answered:
                await _kill(process)
                process = await self._start()
            self._idle.append(process)

    async def _start(self) -> Process:
        environment = {name: os.environ[name] for name in INHERITED if name in os.environ}
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", PROGRAM, stdin=PIPE, stdout=PIPE, env=environment
        )
        async with asyncio.timeout(START_S):
            await _answer_of(process)
        self.started += 1
        return process


async def _asked(process: Process, content: bytes) -> bytes:
    assert process.stdin is not None
    process.stdin.write(framed(content))
    await process.stdin.drain()
    return await _answer_of(process)


async def _answer_of(process: Process) -> bytes:
    assert process.stdout is not None
    length = await process.stdout.readexactly(LENGTH_BYTES)
    return await process.stdout.readexactly(int.from_bytes(length, "big"))


async def _kill(process: Process) -> None:
    with suppress(ProcessLookupError):
        process.kill()
    await process.wait()

"""Hints to projectors that there are new journal rows; they look by themselves, too."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from redis.asyncio import Redis
from redis.exceptions import RedisError

from service.tasks import end

JOURNAL_CHANNEL = "sx:journal"
PAUSE_S = 0.05  # a flood of commits is one hint in this time

_log = logging.getLogger(__name__)


class Notifier:
    """Publishes hints from a task of its own, so that no answer waits for Valkey."""

    def __init__(self, valkey: Redis) -> None:
        self._valkey = valkey
        self._new = asyncio.Event()

    def poke(self) -> None:
        """Ask for a hint: a batch was committed."""
        self._new.set()

    async def _run(self) -> None:
        while True:
            await self._new.wait()
            self._new.clear()
            try:
                await self._valkey.publish(JOURNAL_CHANNEL, "")
            except (RedisError, OSError) as error:
                _log.debug("no hint was sent: %r", error)
            await asyncio.sleep(PAUSE_S)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Publish until the end of the block."""
        task = asyncio.create_task(self._run(), name="notifier")
        try:
            yield
        finally:
            await end(task)

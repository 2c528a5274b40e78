"""The hints to the projectors end when they are told to, wherever they are at that moment."""

import asyncio

import pytest
from builders import PATIENCE_S

from service.journal.notify import JOURNAL_CHANNEL, Notifier
from service.resources import open_valkey
from service.settings import Settings


@pytest.mark.parametrize("steps", [0, 4, 6, 12])
async def test_it_ends_while_it_connects(settings: Settings, steps: int) -> None:
    valkey = open_valkey(settings)
    notifier = Notifier(valkey)

    async with asyncio.timeout(PATIENCE_S):
        async with notifier.running():
            notifier.poke()
            for _ in range(steps):  # as far as the first connection has come by then
                await asyncio.sleep(0)

    await valkey.aclose()


async def test_a_hint_is_heard(settings: Settings) -> None:
    valkey = open_valkey(settings)
    notifier = Notifier(valkey)

    async with valkey.pubsub() as channel, notifier.running():
        await channel.subscribe(JOURNAL_CHANNEL)
        await channel.get_message(timeout=PATIENCE_S)
        notifier.poke()
        message = await channel.get_message(timeout=PATIENCE_S)

    await valkey.aclose()
    assert message is not None
    assert message["channel"] == JOURNAL_CHANNEL

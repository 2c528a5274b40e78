"""A worker that is told to stop stops, whatever a driver makes of the cancellation."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from builders import PATIENCE_S, NewSettings, SteppedClock, running_app

from service.resources import Resources
from service.tasks import end, is_ending
from workers.deliveries import Deliveries
from workers.metrics import WorkerMetrics
from workers.projectors import ProjectionLoop


class Awkward:
    """Stands where a driver stands: it takes a cancellation for a connection that broke."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.over = asyncio.Event()

    async def ask(self) -> int:
        self.asked.set()
        try:
            await self.over.wait()
        except asyncio.CancelledError:
            raise ConnectionResetError("the connection broke") from None
        raise asyncio.CancelledError

    @asynccontextmanager
    async def acquire(self) -> AsyncIterator[None]:
        await self.ask()
        yield


Make = Callable[[Resources, Awkward], Coroutine[Any, Any, None]]


def following(resources: Resources, driver: Awkward) -> Coroutine[Any, Any, None]:
    return ProjectionLoop(resources, WorkerMetrics()).run({"a step": driver.ask})


def delivering(resources: Resources, driver: Awkward) -> Coroutine[Any, Any, None]:
    return Deliveries(replace(resources, pool=driver), WorkerMetrics(), resources.sessions).run()


@pytest.mark.parametrize("make", [following, delivering])
async def test_one_cancellation_is_enough(new_settings: NewSettings, make: Make) -> None:
    driver = Awkward()
    async with running_app(await new_settings(), SteppedClock()) as app:
        task = asyncio.create_task(make(app.state.runtime.resources, driver))
        await driver.asked.wait()

        task.cancel()
        done, _ = await asyncio.wait((task,), timeout=PATIENCE_S)
        driver.over.set()  # so that what did not stop does so now
        await asyncio.wait((task,), timeout=PATIENCE_S)

    assert done


async def test_a_loop_that_lost_its_cancellation_knows() -> None:
    driver, turns = Awkward(), []

    async def loop() -> None:
        while not is_ending():
            turns.append(is_ending())
            try:
                await driver.ask()
            except ConnectionResetError:
                continue

    task = asyncio.create_task(loop())
    await driver.asked.wait()
    await end(task)

    assert turns == [False]
    assert not task.cancelled()

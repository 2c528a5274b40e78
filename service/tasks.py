"""Ending background tasks for certain."""

import asyncio

INSIST_EVERY_S = 1.0


async def end(task: "asyncio.Task[None]") -> None:
    """Cancel a task until it has ended.

    Once is not enough: a client library may turn the cancellation into an error of its own, which
    the task's loop then takes for an outage.
    """
    while not task.done():
        task.cancel()
        await asyncio.wait((task,), timeout=INSIST_EVERY_S)

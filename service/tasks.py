"""Ending background tasks for certain."""

import asyncio

INSIST_EVERY_S = 1.0


def is_ending() -> bool:
    """Return whether the running task was asked to end; a loop asks at each turn.

    A client library may turn the cancellation into an error of its own, or swallow it, and a group
    of tasks cancels each of them only once.
    """
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def end(task: "asyncio.Task[None]") -> None:
    """Cancel a task until it has ended.

    Once is not enough: a client library may turn the cancellation into an error of its own, which
    the task's loop then takes for an outage.
    """
    while not task.done():
        task.cancel()
        await asyncio.wait((task,), timeout=INSIST_EVERY_S)

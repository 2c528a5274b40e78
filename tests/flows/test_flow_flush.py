"""What is in Valkey is lost during a replay: the totals come back, and never fall meanwhile."""

import signal
from collections.abc import Awaitable, Callable, Sequence

import pytest
from builders import unique
from flow_clients import in_parts, load, replaying, some_events, watching
from flow_system import System
from redis.asyncio import Redis

EVENTS = 1_200
Loss = Callable[[System], Awaitable[None]]


async def flush_all(system: System) -> None:
    async with Redis.from_url(system.demo["redis_url"]) as valkey:
        await valkey.flushall()


async def forget_functions(system: System) -> None:
    async with Redis.from_url(system.demo["redis_url"]) as valkey:
        await valkey.function_flush()


async def restart(system: System) -> None:
    assert system.send_signal("valkey", signal.SIGTERM)


LOSSES: tuple[Loss, ...] = (flush_all, forget_functions, restart)


@pytest.mark.parametrize(
    "losses",
    [
        pytest.param(LOSSES, id="one after the other"),
        *(pytest.param((one,), id=one.__name__, marks=pytest.mark.soak) for one in LOSSES),
    ],
)
async def test_totals_survive_a_loss_in_valkey(fragile: System, losses: Sequence[Loss]) -> None:
    name = unique("flush")
    first, *others = in_parts(some_events(EVENTS, people=100, name=name), len(losses) + 1)
    before = await fragile.settled()

    async with (
        watching(fragile) as watch,
        load(fragile, clients=2, name=f"{name}-workload", insist=True) as seen,
        replaying(fragile) as replay,
    ):
        await replay.feed(first)
        await replay.under_way(first)
        for lose, part in zip(losses, others, strict=True):
            await lose(fragile)
            await replay.feed(part)
            await replay.under_way(part)
        done = await replay.end()

    assert done.code == 0, done.text
    assert watch.views[0]["actions"] >= before["actions"]
    assert list(watch.steps_back()) == []
    assert seen.refusals == []
    assert (await fragile.settled())["actions"] > before["actions"]
    await fragile.assert_reconciled()


async def test_an_empty_valkey_is_never_answered_as_zero(fragile: System) -> None:
    before = await fragile.settled()

    async with watching(fragile) as watch:
        for _ in range(10):
            await flush_all(fragile)
            await fragile.settled()

    assert {tuple(sorted(view.items(), key=str)) for view in map(_figures, watch.views)} == {
        tuple(sorted(_figures(before).items(), key=str))
    }


def _figures(view: dict[str, int]) -> dict[str, int]:
    return {name: view[name] for name in ("avoided_mg", "actions", "people", "points")}

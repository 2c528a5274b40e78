"""A program is killed in the middle of a replay: what was acknowledged stays, nothing counts twice.

The replay reads from a pipe that the test holds, so it is always in the middle when the kill comes;
other clients send all the while and remember every answer.
"""

import signal
from collections.abc import Sequence
from pathlib import Path

import pytest
from builders import unique
from flow_clients import Event, as_lines, in_parts, load, replaying, some_events
from flow_system import System, outcomes_of

from loadtest.harness import PROGRAMS

EVENTS = 1_800
PEOPLE = 120
CLIENTS = 4
Death = tuple[str, signal.Signals]
# SIGINT is how PostgreSQL is told to restart in a hurry: sessions are ended, and told so.
DEATHS: tuple[Death, ...] = (
    *((program, signal.SIGKILL) for program in PROGRAMS),
    ("postgres", signal.SIGINT),
)


@pytest.mark.parametrize(
    "deaths",
    [
        pytest.param(DEATHS, id="one after the other"),
        *(
            pytest.param((one,), id=f"{one[0]} {one[1].name}", marks=pytest.mark.soak)
            for one in DEATHS
        ),
    ],
)
async def test_a_kill_in_the_middle_of_a_replay_loses_nothing(
    fragile: System, deaths: Sequence[Death], tmp_path: Path
) -> None:
    name = unique("kill")
    events = some_events(EVENTS, people=PEOPLE, name=name)
    first, *others = in_parts(events, len(deaths) + 1)

    async with (
        load(fragile, clients=CLIENTS, name=f"{name}-workload", insist=True) as seen,
        replaying(fragile) as replay,
    ):
        await replay.feed(first)
        await replay.under_way(first)
        for (program, number), part in zip(deaths, others, strict=True):
            assert fragile.send_signal(program, number)
            await replay.feed(part)
            await replay.under_way(part)
        done = await replay.end()

    assert done.code == 0, done.text
    assert sum(_outcomes(outcomes_of(done))) == EVENTS
    assert {status for status, _ in seen.refusals} <= {503}, seen.refusals
    await seen.assert_recorded(fragile)
    await fragile.assert_reconciled()
    await _assert_again_changes_nothing(fragile, events, tmp_path)


async def test_a_killed_system_goes_on_where_it_was(fragile: System, tmp_path: Path) -> None:
    name = unique("whole")
    events = some_events(EVENTS, people=PEOPLE, name=name)
    known = "SELECT action_id, event_id, outcome, avoided_mg, points FROM action"
    ours = f"{known} WHERE event_id LIKE '{name}-%'"
    async with replaying(fragile) as replay:
        await replay.feed(events[: EVENTS // 2])
        await replay.under_way(events)
        fragile.kill()

    fragile.start()

    everything = {row["action_id"]: row for row in await fragile.fetch(known)}
    before = {row["action_id"]: row for row in await fragile.fetch(ours)}
    file = _written(events, tmp_path)
    done = await fragile.saxaul("replay", str(file), "--format", "cloudevents")
    after = {row["action_id"]: row for row in await fragile.fetch(known)}
    added = await fragile.count(f"SELECT count(*) FROM ({ours}) AS ours")

    assert done.code == 0, done.text
    assert before
    assert {name: after[name] for name in everything} == everything
    assert added == EVENTS == len(after) - len(everything) + len(before)
    await fragile.assert_reconciled()
    await _assert_again_changes_nothing(fragile, events, tmp_path)


async def _assert_again_changes_nothing(
    system: System, events: Sequence[Event], folder: Path
) -> None:
    before = await system.settled()

    done = await system.saxaul("replay", str(_written(events, folder)), "--format", "cloudevents")

    assert done.code == 0, done.text
    assert outcomes_of(done) == {"duplicate": len(events)}
    assert await system.settled() == before


def _outcomes(found: dict[str, int]) -> list[int]:
    """Counts by outcome, without those by reason."""
    return [count for name, count in found.items() if ":" not in name]


def _written(events: Sequence[Event], folder: Path) -> Path:
    file = folder / "events.jsonl"
    file.write_bytes(as_lines(events))
    return file

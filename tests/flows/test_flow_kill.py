"""A program is killed in the middle of a replay: what was acknowledged stays, nothing counts twice.

The replay reads from a pipe that the test holds, so it is always in the middle when the kill comes;
other clients send all the while and remember every answer.
"""

import signal
from collections.abc import Sequence
from pathlib import Path

import pytest
from builders import unique
from flow_clients import Event, as_lines, load, replaying, some_events
from flow_system import System, outcomes_of, running_system
from prepared import prepare_home

from loadtest.harness import PROGRAMS

EVENTS = 2_000
PEOPLE = 120
CLIENTS = 4


@pytest.mark.parametrize("victim", PROGRAMS)
async def test_a_kill_in_the_middle_of_a_replay_loses_nothing(
    fragile: System, victim: str, tmp_path: Path
) -> None:
    name = unique(victim)
    events = some_events(EVENTS, people=PEOPLE, name=name)

    async with (
        load(fragile, clients=CLIENTS, name=f"{name}-workload", insist=True) as seen,
        replaying(fragile, name) as replay,
    ):
        await replay.feed(events[: EVENTS // 2])
        await replay.under_way()
        assert fragile.send_signal(victim, signal.SIGKILL)
        await replay.feed(events[EVENTS // 2 :])
        done = await replay.end()

    assert done.code == 0, done.text
    assert sum(_outcomes(outcomes_of(done))) == EVENTS
    assert {status for status, _ in seen.refusals} <= {503}, seen.refusals
    await seen.assert_recorded(fragile)
    await fragile.assert_reconciled()
    await _assert_again_changes_nothing(fragile, events, tmp_path)


async def test_a_killed_system_goes_on_where_it_was(tmp_path: Path, cache: Path) -> None:
    name = unique("whole")
    events = some_events(EVENTS, people=PEOPLE, name=name)
    prepare_home(tmp_path, cache)
    with running_system(tmp_path) as killed:
        await killed.assert_durable()
        async with replaying(killed, name) as replay:
            await replay.feed(events[: EVENTS // 2])
            await replay.under_way()
            killed.kill()
        known = "SELECT action_id, event_id, outcome, avoided_mg, points FROM action"

    with running_system(tmp_path) as again:
        before = {row["action_id"]: row for row in await again.fetch(known)}
        file = _written(events, tmp_path)
        done = await again.saxaul("replay", str(file), "--format", "cloudevents")
        after = {row["action_id"]: row for row in await again.fetch(known)}

        assert done.code == 0, done.text
        assert before
        assert {name: after[name] for name in before} == before
        assert len(after) == EVENTS
        await again.assert_reconciled()
        await _assert_again_changes_nothing(again, events, tmp_path)


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

"""SIGTERM under load: whatever was taken is answered, whatever was not answered was not taken."""

import signal
from pathlib import Path

import psutil
from builders import unique
from flow_clients import Seen, load
from flow_system import System, environment, running_system, until
from prepared import prepare_home

from loadtest.harness import HANG_S, PROGRAMS, running_of
from service.embedded.servers import embedded_servers

CLIENTS = 12
ENOUGH = 100  # answers before the signal, so that it comes under load


async def test_a_stopped_api_answers_what_it_took_and_its_port_answers_again(
    fragile: System,
) -> None:
    name = unique("drain")
    (before,) = fragile.pids("api")

    async with load(fragile, clients=CLIENTS, name=name, insist=False) as seen:
        await _under_load(seen)
        assert fragile.send_signal("api", signal.SIGTERM)
        await until(_replaced(fragile, before), lambda: fragile.output)
        answered = len(seen.answers)
        await _under_load(seen, answered + ENOUGH)

    assert {status for status, _ in seen.refusals} <= {503}, seen.refusals
    await seen.assert_recorded(fragile)
    assert await _recorded_of(fragile, seen) == 0
    await fragile.assert_reconciled()


async def test_a_stopped_system_answers_what_it_took(tmp_path: Path, cache: Path) -> None:
    prepare_home(tmp_path, cache)
    with running_system(tmp_path, workers=2) as stopping:
        await stopping.assert_durable()
        programs = [pid for program in PROGRAMS for pid in stopping.pids(program)]
        assert len(programs) == len(PROGRAMS) + 1  # two of them are the API's
        async with load(stopping, clients=CLIENTS, name=unique("stop"), insist=False) as seen:
            await _under_load(seen)
            stopping.process.send_signal(signal.SIGTERM)
            await until(_ended(stopping), lambda: stopping.output)
        assert stopping.process.wait(timeout=HANG_S) == 0
        assert "Stopped" in stopping.output
        assert not any(psutil.pid_exists(pid) for pid in programs)
        assert running_of(tmp_path) == {}
        assert "database system is shut down" in (tmp_path / "logs/postgres.log").read_text()

    assert {status for status, _ in seen.refusals} <= {503}, seen.refusals
    with embedded_servers(tmp_path) as servers:
        kept = System(tmp_path, environment(tmp_path), {"database_url": servers.database_url})
        await seen.assert_recorded(kept)
        assert await _recorded_of(kept, seen) == 0


async def _under_load(seen: Seen, answers: int = ENOUGH) -> None:
    async def enough() -> bool:
        return len(seen.answers) >= answers

    await until(enough, lambda: f"only {len(seen.answers)} answers; {seen.refusals[-3:]}")


def _replaced(system: System, before: int):
    async def replaced() -> bool:
        now = system.pids("api")
        return bool(now) and before not in now

    return replaced


def _ended(system: System):
    async def ended() -> bool:
        return system.process.poll() is not None

    return ended


async def _recorded_of(system: System, seen: Seen) -> int:
    """How many of the events that got no answer were recorded all the same."""
    ids = [event["id"] for event in seen.unanswered if event["id"] not in seen.answers]
    return await system.count("SELECT count(*) FROM action WHERE event_id = ANY ($1)", ids)

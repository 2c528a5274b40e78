"""Events are sent to the real API until each has its answer."""

from collections.abc import AsyncIterator

import pytest
from builders import SOURCES, NewSettings, Running, a_partner, an_event, an_order, unique

from service.replay.record import Record, Unreadable
from service.replay.send import ReplayStopped, Summary, Target, send
from service.resources import open_resources


@pytest.fixture(scope="module")
async def target(new_settings: NewSettings) -> AsyncIterator[Target]:
    settings = await new_settings()
    async with open_resources(settings) as resources:
        sender = await a_partner(resources.sessions, sources=SOURCES)
    server = Running(settings)
    yield Target(server.url, sender.key, batch=3, concurrency=2, patience_s=5)
    await server.stop()


async def test_a_summary_counts_by_outcome_and_reason(target: Target) -> None:
    subject = unique("person")
    records = [
        *(Record(an_order(subject=subject)) for _ in range(7)),
        Unreadable(8, "not JSON"),
        Record(an_event({"region": "FR"})),
        Record(an_event(time="never")),
    ]
    told: list[int] = []

    first = await send(records, target, told.append)
    second = await send(records, target, told.append)

    assert sum(told) == 2 * len(records)
    assert first.outcomes["problem"] == 2
    assert first.outcomes["refused"] == 1
    assert first.outcomes["credited"] + first.outcomes["capped"] == 7
    assert first.outcomes["credited"] == 6
    assert first.reasons["refused", "no_methodology"] == 1
    assert first.reasons["problem", "unreadable"] == 1
    assert first.reasons["problem", "/problems/fields-invalid"] == 1
    assert (first.avoided_mg, first.points) == (6 * 12521, 6 * 12)
    assert second.outcomes["duplicate"] == 8
    assert (second.avoided_mg, second.points) == (0, 0)


async def test_nothing_is_sent_of_nothing(target: Target) -> None:
    assert (await send([], target, lambda _: None)).outcomes.total() == 0


async def test_a_refused_key_stops_with_the_answer(target: Target) -> None:
    wrong = Target(target.url, "sx_a_b", 3, 1, 1)

    with pytest.raises(ExceptionGroup) as caught:
        await send([Record(an_event())], wrong, lambda _: None)

    assert "401" in str(caught.value.exceptions[0])
    assert isinstance(caught.value.exceptions[0], ReplayStopped)


async def test_an_api_that_stays_away_stops_it() -> None:
    nowhere = Target("http://127.0.0.1:1", "sx_a_b", 3, 1, patience_s=0)

    with pytest.raises(ExceptionGroup) as caught:
        await send([Record(an_event())], nowhere, lambda _: None)

    assert "run the same command again" in str(caught.value.exceptions[0])


def test_a_summary_keeps_a_few_examples() -> None:
    summary = Summary()

    for line in range(9):
        summary.unreadable(Unreadable(line, "why"))

    assert summary.outcomes["problem"] == 9
    assert len(summary.examples) == 5

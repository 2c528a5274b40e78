"""Payloads are mapped within one budget, heavy ones in a process that can be killed."""

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal

import orjson
import psutil
import pytest

from service.errors import (
    BodyNotJson,
    MappersBusy,
    MappingTooSlow,
    PayloadNotMapped,
    ServiceError,
)
from service.intake.event import CloudEvent
from service.webhooks.inbound import mappers as module
from service.webhooks.inbound.mappers import HERE_BYTES, Mappers
from service.webhooks.inbound.mapping import CompiledMapping, Mapped, compiled

EVENT = {
    "id": "item.id",
    "time": "'2026-06-15T08:30:00+08:00'",
    "subject": "item.who",
    "type": "'transit.metro'",
    "data": {"distance_km": "item.km", "region": "'CN'"},
}


def a_mapping(*rules: dict[str, object]) -> CompiledMapping:
    named = [{"name": f"rule {at}", **rule} for at, rule in enumerate(rules)]
    config = {"name": "x", "source": "metro", "signature": {"kind": "standard"}, "rules": named}
    return compiled(orjson.dumps(config))


EACH = a_mapping({"items": "rides", "event": EVENT})


def a_payload(rides: int, *, padding: int = 0) -> bytes:
    listed = [{"id": f"r{at}", "who": "ann", "km": 12.4} for at in range(rides)]
    return orjson.dumps({"rides": listed, "padding": "x" * padding})


@pytest.fixture
async def mappers() -> AsyncIterator[Mappers]:
    made = Mappers(wall_s=60)
    yield made
    await made.close()


def events_of(found: Mapped) -> list[CloudEvent]:
    return [one for one in found.found if isinstance(one, CloudEvent)]


async def test_a_usual_payload_is_mapped_here(mappers: Mappers) -> None:
    found = await mappers.mapped(EACH, a_payload(3))

    assert [one.id for one in events_of(found)] == ["r0", "r1", "r2"]
    assert mappers.started == 0


@pytest.mark.parametrize("padding", [0, HERE_BYTES])
async def test_a_heavy_payload_is_mapped_apart_with_the_same_result(
    mappers: Mappers, padding: int
) -> None:
    here = await Mappers(here_steps=10_000).mapped(EACH, a_payload(200, padding=0))

    apart = await mappers.mapped(EACH, a_payload(200, padding=padding))

    assert apart == here
    assert events_of(apart)[7].data["distance_km"] == Decimal("12.4")
    assert mappers.started == 1
    await mappers.mapped(EACH, a_payload(200))
    assert mappers.started == 1  # it is kept


async def test_what_is_wrong_is_told_in_the_same_words_apart() -> None:
    async def told(mappers: Mappers) -> tuple[str, tuple[tuple[str, str], ...]]:
        with pytest.raises(PayloadNotMapped) as error:
            await mappers.mapped(EACH, orjson.dumps({"rides": [{"id": "a", "km": 1}]}))
        await mappers.close()
        return error.value.detail, error.value.errors

    assert await told(Mappers(here_steps=0, wall_s=60)) == await told(Mappers())


async def test_all_rules_and_items_have_one_budget(mappers: Mappers) -> None:
    rules = [{"items": "rides", "when": f"length(payload.rides) > `{n}`", "event": EVENT}
             for n in range(4)]  # fmt: skip
    heavy = a_mapping(*rules)

    with pytest.raises(PayloadNotMapped, match="too many steps"):
        await mappers.mapped(heavy, a_payload(1_000))

    fewer = await mappers.mapped(heavy, a_payload(30))
    assert len(events_of(fewer)) == 120


async def test_a_process_that_takes_too_long_is_killed_and_replaced(mappers: Mappers) -> None:
    await mappers.mapped(EACH, a_payload(200))
    killed = mappers._idle[0]
    mappers.wall_s = 0

    with pytest.raises(MappingTooSlow):
        await mappers.mapped(EACH, a_payload(200))

    assert killed.returncode == -9
    assert mappers.started == 2
    mappers.wall_s = 60
    assert len(events_of(await mappers.mapped(EACH, a_payload(200)))) == 200
    assert mappers.started == 2


async def test_a_process_that_dies_is_replaced(mappers: Mappers) -> None:
    await mappers.mapped(EACH, a_payload(200))
    mappers._idle[0].kill()
    await mappers._idle[0].wait()

    with pytest.raises(MappingTooSlow):
        await mappers.mapped(EACH, a_payload(200))

    assert len(events_of(await mappers.mapped(EACH, a_payload(200)))) == 200


async def test_a_few_processes_serve_many_messages_and_no_queue_is_endless(
    mappers: Mappers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "WAITING_MAX", 8)
    many = (mappers.mapped(EACH, a_payload(250)) for _ in range(12))

    found = await asyncio.gather(*many, return_exceptions=True)

    assert sum(isinstance(one, Mapped) for one in found) == 8
    assert sum(isinstance(one, MappersBusy) for one in found) == 4
    assert mappers.started <= module.PROCESSES


async def test_a_process_has_no_secrets(mappers: Mappers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAXAUL_SECRET_KEY", "7c" * 32)
    await mappers.mapped(EACH, a_payload(200))

    environment = psutil.Process(mappers._idle[0].pid).environ()

    assert not [name for name in environment if name.startswith("SAXAUL")]
    assert "PATH" in environment


@pytest.mark.parametrize("expression", [
    "from_epoch(t, 'UTC')", "to_string(t)", "ceil(t)", "floor(t)", "abs(t)", "t", "sum([t])",
    "multiply(t, `3`)", "to_number(t)", "avg([t])", "max([t])", "[t][0]", "t == `1`",
])  # fmt: skip
@pytest.mark.parametrize("number", [
    "1e1000000", "-1e1000000", "1e-1000000", "0e1000000", "1e31", "1E-31", "1" * 32, "1" * 4_000,
    "9" * 100_000, "1." + "1" * 100_000, "1e99999999999999999999999", "-" + "9" * 32,
])  # fmt: skip
async def test_a_number_out_of_reach_is_refused_while_it_is_read(
    mappers: Mappers, expression: str, number: str
) -> None:
    mapping = a_mapping({"event": {**EVENT, "id": "id", "subject": "'ann'", "time": expression}})

    with pytest.raises(BodyNotJson, match="exponent"):
        await mappers.mapped(mapping, b'{"id": "a", "t": %b}' % number.encode())


@pytest.mark.parametrize("text", [
    "to_number('1e1000000')", "multiply(`1e20`, `1e20`)", "divide(`1e-20`, `1e20`)",
    "multiply(to_number('1e30'), `10`)", "ceil(to_number('9e99'))",
])  # fmt: skip
async def test_an_expression_makes_no_number_out_of_reach(mappers: Mappers, text: str) -> None:
    mapping = a_mapping({"event": {**EVENT, "id": "id", "subject": "'ann'", "time": text}})

    with pytest.raises(ServiceError, match="exponent"):
        await mappers.mapped(mapping, b'{"id": "a"}')


async def test_numbers_within_reach_are_exact(mappers: Mappers) -> None:
    mapping = a_mapping({"event": {**EVENT, "id": "id", "subject": "'ann'", "data": {"n": "n"}}})
    for text in ("1e30", "-1E-30", "123456789012345678901234567890", "0.1", "0", "-0", "0.0e-29"):
        found = await mappers.mapped(mapping, b'{"id": "a", "n": %b}' % text.encode())

        assert events_of(found)[0].data["n"] == Decimal(text)

"""A caller's quota of a minute is never passed, and is not asked for while Valkey is away."""

import asyncio
from collections.abc import AsyncIterator, Callable

import httpx
import pytest
from builders import a_partner, an_event, client_of, unique
from fastapi import FastAPI

from service.errors import QuotaExceeded
from service.http.metrics import Metrics
from service.http.quota import Quota
from service.partners.store import set_quota
from service.settings import Settings


@pytest.fixture
async def quota(settings: Settings) -> AsyncIterator[Quota]:
    assert settings.redis_url is not None
    made = Quota(settings.redis_url, Metrics("1"))
    yield made
    await made.close()


@pytest.fixture
async def other_process(settings: Settings) -> AsyncIterator[Quota]:
    assert settings.redis_url is not None
    made = Quota(settings.redis_url, Metrics("1"))
    yield made
    await made.close()


async def test_what_is_left_goes_down(quota: Quota) -> None:
    caller = unique("caller")

    first = await quota.spend(caller, 1, limit=100)
    second = await quota.spend(caller, 30, limit=100)

    assert first is not None
    assert second is not None
    assert (first.left, second.left) == (99, 69)
    assert 0 < second.resets_s <= 60
    assert second.headers()[0] == (b"ratelimit-policy", b'"minute";q=100;w=60')
    assert second.headers()[1][1].startswith(b'"minute";r=69;t=')


async def test_more_than_the_quota_is_refused_and_takes_nothing(quota: Quota) -> None:
    caller = unique("caller")
    await quota.spend(caller, 90, limit=100)

    with pytest.raises(QuotaExceeded, match="10 of your 100") as refused:
        await quota.spend(caller, 11, limit=100)

    assert 1 <= refused.value.retry_after_s <= 60
    assert await quota.spend(caller, 10, limit=100) is not None


async def test_a_batch_above_the_whole_quota_is_told_to_be_smaller(quota: Quota) -> None:
    with pytest.raises(QuotaExceeded, match="smaller batches"):
        await quota.spend(unique("caller"), 101, limit=100)


async def test_two_processes_share_one_quota(quota: Quota, other_process: Quota) -> None:
    caller, limit, taken = unique("caller"), 1_000, 0

    async def ask(of: Quota) -> int:
        try:
            await of.spend(caller, 3, limit=limit)
        except QuotaExceeded:
            return 0
        return 3

    for _ in range(20):
        taken += sum(
            await asyncio.gather(*(ask(of) for of in (quota, other_process) for _ in range(15)))
        )

    # What one process took and did not spend yet is not there for the other.
    assert limit - 2 * limit // 100 - 3 <= taken <= limit


async def test_callers_do_not_share(quota: Quota) -> None:
    await quota.spend(unique("caller"), 100, limit=100)

    assert await quota.spend(unique("caller"), 100, limit=100) is not None


async def test_no_quota_asks_nobody(quota: Quota) -> None:
    assert await quota.spend(unique("caller"), 10**9, limit=0) is None


async def test_events_go_on_without_valkey() -> None:
    metrics = Metrics("1")
    quota = Quota("redis://127.0.0.1:1/0", metrics)

    answers = [await quota.spend("caller", 1, limit=1) for _ in range(5)]

    assert answers == [None] * 5
    assert b"saxaul_quota_unchecked_total 1.0" in metrics.text()
    await quota.close()


async def test_an_answer_tells_what_is_left(app: FastAPI) -> None:
    # What somebody asked for a while ago comes back meanwhile, so this one is new.
    sender = await a_partner(app.state.runtime.resources.sessions, sources=("left-metro",))
    events = [an_event(source="left-metro") for _ in range(6)]
    async with client_of(app, sender.key) as client:
        one = await client.post("/v1/events", json=events[0])
        two = await client.post("/v1/events", json=events[1:])

    assert one.headers["ratelimit-policy"] == '"minute";q=1200000;w=60'
    assert left(one) - left(two) == 5


async def test_a_caller_above_its_quota_waits(app: FastAPI) -> None:
    sessions = app.state.runtime.resources.sessions
    sender = await a_partner(sessions, sources=("quota-metro",))
    async with sessions() as session, session.begin():
        assert await set_quota(session, sender.name, 10)
    async with client_of(app, sender.key) as client:
        events = [an_event(source="quota-metro") for _ in range(11)]
        taken = await client.post("/v1/events", json=events[:8])
        refused = await client.post("/v1/events", json=events[8:])
        small = await client.post("/v1/events", json=events[8])

    assert taken.status_code == 200
    assert refused.status_code == 429
    assert refused.json()["type"] == "/problems/quota-exceeded"
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    assert small.status_code == 201


async def test_a_persons_token_has_a_quota_of_its_own(
    person: Callable[[str], httpx.AsyncClient],
) -> None:
    async with person(unique("person")) as client:
        answer = await client.get("/v1/people/me")

    assert answer.headers["ratelimit-policy"] == '"minute";q=600;w=60'
    assert left(answer) == 599


def left(answer: httpx.Response) -> int:
    """What the answer says is left of the quota."""
    return int(answer.headers["ratelimit"].partition("r=")[2].partition(";")[0])


async def test_what_a_quiet_process_keeps_is_little(quota: Quota, other_process: Quota) -> None:
    caller, limit = unique("caller"), 1_000

    for _ in range(200):
        await quota.spend(caller, 1, limit=limit)
        told = await other_process.spend(caller, 1, limit=limit)

    assert told is not None
    assert limit - 2 * 200 - 2 * limit // 100 <= told.left <= limit - 2 * 200

"""Each delivery is tried until it is taken or given up visibly, and nobody waits for another."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from email.utils import format_datetime
from typing import Any

import httpx
import pytest
from builders import (
    NOW,
    SOURCES,
    NewSettings,
    SteppedClock,
    a_partner,
    an_event,
    client_of,
    report,
    report_all,
    running_app,
)
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st
from webhook_receiver import (
    MANAGER,
    OK,
    Got,
    an_endpoint,
    answering,
    deliveries_of,
    delivering,
    eventually,
    receiving,
    settled,
    shown,
)

from service.webhooks.outbound.deliver import IN_FLIGHT_MAX, IN_FLIGHT_PER_ENDPOINT
from service.webhooks.outbound.schedule import (
    DISABLE_AFTER,
    GIVE_UP_AFTER,
    RETRY_AFTER_MAX_S,
    RETRY_CEILINGS_S,
    TRIP_FAILURES,
    read_retry_after,
    retry_at,
)
from workers.deliveries import sweep_deliveries

LONGEST = {"hours": 24, "seconds": 1}


@pytest.fixture
async def app(new_settings: NewSettings) -> AsyncIterator[FastAPI]:
    settings = await new_settings(webhook_loopback=True, projection_poll_seconds=0.02)
    async with running_app(settings, SteppedClock()) as running:
        yield running


@pytest.fixture
def clock(app: FastAPI) -> SteppedClock:
    return app.state.runtime.resources.clock


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    merchant = await a_partner(
        app.state.runtime.resources.sessions, sources=SOURCES, scopes=MANAGER
    )
    async with client_of(app, merchant.key) as client:
        yield client


def tried(count: int):
    return lambda found: found and len(found[0]["attempts"]) == count


async def test_what_failed_is_tried_again_with_the_same_id_and_is_on_record(
    app: FastAPI, client: httpx.AsyncClient, clock: SteppedClock
) -> None:
    answers = iter([answering(500, b"no\xffpe" + b"x" * 2000), answering(404), OK])
    async with receiving(lambda _: next(answers)) as shop, delivering(app):
        endpoint = await an_endpoint(client, shop.url)
        await report(client, an_event())
        (delivery,) = await settled(client, endpoint, tried(1))
        assert delivery["state"] == "waiting"
        assert delivery["next_attempt_at"] is not None
        for count in (2, 3):
            clock.advance(**LONGEST)
            (delivery,) = await settled(client, endpoint, tried(count))

    assert delivery["state"] == "delivered"
    assert delivery["settled_at"]
    assert [(a["number"], a["result"], a["status"]) for a in delivery["attempts"]] == [
        (1, "status", 500), (2, "status", 404), (3, "ok", 200),
    ]  # fmt: skip
    assert delivery["attempts"][0]["answer"] == "no\ufffdpe" + "x" * 251
    assert "It answered 500" in delivery["attempts"][0]["error"]
    assert delivery["attempts"][2]["answer"] == "ok"
    assert {got.id for got in shop.got} == {delivery["delivery_id"]}
    assert len({got.body for got in shop.got}) == 1
    assert len({got.headers["webhook-timestamp"] for got in shop.got}) == 3


async def test_after_the_last_try_it_is_given_up_and_can_be_sent_again(
    app: FastAPI, client: httpx.AsyncClient, clock: SteppedClock
) -> None:
    well = False
    async with receiving(lambda _: OK if well else answering(500)) as shop, delivering(app):
        endpoint = await an_endpoint(client, shop.url)
        path = f"/v1/webhook-endpoints/{endpoint['endpoint_id']}"
        await report(client, an_event())
        tries = len(RETRY_CEILINGS_S) + 1
        for count in range(1, tries + 1):
            await settled(
                client, endpoint, lambda found, n=count: found and len(found[-1]["attempts"]) == n
            )
            clock.advance(**LONGEST)
            if not (await shown(client, endpoint))["enabled"]:
                await client.patch(path, json={"enabled": True})
        failed = await deliveries_of(client, endpoint, state="failed", type="action.batch")
        well = True
        again = await client.post(f"/v1/deliveries/{failed[0]['delivery_id']}/redeliver")
        await client.patch(path, json={"enabled": True})
        await settled(client, endpoint, lambda found: found[-1]["state"] == "delivered")

    assert len(failed[0]["attempts"]) == tries
    assert again.status_code == 202
    assert len({got.id for got in shop.got}) == 1


async def test_retry_after_is_waited_for(
    app: FastAPI, client: httpx.AsyncClient, clock: SteppedClock
) -> None:
    answers = iter([answering(503, Retry_After="7200"), OK])
    async with receiving(lambda _: next(answers)) as shop, delivering(app):
        endpoint = await an_endpoint(client, shop.url)
        await report(client, an_event())
        (delivery,) = await settled(client, endpoint, tried(1))
        assert delivery["next_attempt_at"] >= (NOW + timedelta(hours=2)).isoformat()[:19]
        assert (await shown(client, endpoint))["next_probe_at"] is not None
        clock.advance(seconds=7199)
        await report(client, an_event())  # this one waits, too: 503 speaks for the endpoint
        await asyncio.sleep(0.2)
        assert len(shop.got) == 1
        clock.advance(seconds=10)
        await shop.until(2)


async def test_410_disables_the_endpoint_and_says_so(
    app: FastAPI, client: httpx.AsyncClient, caplog
) -> None:
    async with receiving(lambda _: answering(410)) as shop, delivering(app):
        endpoint = await an_endpoint(client, shop.url, batch_max=1)
        await report(client, an_event())
        found = await settled(client, endpoint, lambda found: len(found) == 2)
        await report(client, an_event())
        await settled(client, endpoint, lambda found: len(found) == 3)

    now = await shown(client, endpoint)
    assert not now["enabled"]
    assert "410" in now["disabled_reason"]
    assert {one["type"] for one in found} == {"action.credited", "endpoint.disabled"}
    assert len(shop.got) == 1
    assert "is disabled: It answered 410" in caplog.text


async def test_what_waited_is_sent_when_the_endpoint_is_enabled_again(
    app: FastAPI, client: httpx.AsyncClient
) -> None:
    async with receiving() as shop, delivering(app):
        endpoint = await an_endpoint(client, shop.url, batch_max=1)
        path = f"/v1/webhook-endpoints/{endpoint['endpoint_id']}"
        assert (await client.patch(path, json={"enabled": False})).json()["enabled"] is False
        await report(client, an_event())
        await settled(client, endpoint, lambda found: len(found) == 1)
        assert shop.got == []
        assert (await client.patch(path, json={"enabled": True})).json()["enabled"] is True
        await shop.until(1)


async def test_an_endpoint_that_fails_for_days_is_disabled_with_the_reason(
    app: FastAPI, client: httpx.AsyncClient, clock: SteppedClock
) -> None:
    async with receiving(lambda _: answering(500)) as shop, delivering(app):
        endpoint = await an_endpoint(client, shop.url)
        await report(client, an_event())
        await settled(client, endpoint, tried(1))
        clock.advance(seconds=DISABLE_AFTER.total_seconds() + 1)
        await settled(client, endpoint, lambda found: found[0]["type"] == "endpoint.disabled")

    now = await shown(client, endpoint)
    assert not now["enabled"]
    assert "500" in now["disabled_reason"]


async def test_the_breaker_opens_probes_once_and_closes(
    app: FastAPI, client: httpx.AsyncClient, clock: SteppedClock
) -> None:
    well = False
    gate = asyncio.Event()

    async def answer(_: Got) -> bytes:
        await gate.wait()
        return OK if well else answering(500)

    async with receiving(answer) as shop, delivering(app):
        gate.set()
        endpoint = await an_endpoint(client, shop.url, batch_max=1)
        await report_all(client, [an_event() for _ in range(TRIP_FAILURES)])

        async def opened() -> object:
            return (await shown(client, endpoint))["next_probe_at"]

        await eventually(opened)
        seen = len(shop.got)
        await report_all(client, [an_event() for _ in range(10)])
        await asyncio.sleep(0.2)
        assert len(shop.got) == seen == TRIP_FAILURES

        gate.clear()
        clock.advance(hours=1)
        await shop.until(seen + 1)
        await asyncio.sleep(0.2)
        assert len(shop.got) == seen + 1  # one probe, though 15 are due
        well = True
        gate.set()
        found = await settled(
            client, endpoint, lambda found: {one["state"] for one in found} == {"delivered"}
        )

    assert len(found) == TRIP_FAILURES + 10
    now = await shown(client, endpoint)
    assert (now["next_probe_at"], now["failing_since"]) == (None, None)


async def test_a_hanging_endpoint_delays_nobody_and_holds_few_slots(
    app: FastAPI, client: httpx.AsyncClient
) -> None:
    async def hang(_: Got) -> bytes:
        await asyncio.sleep(3600)
        return OK

    async with receiving(hang) as slow, receiving() as fast, delivering(app):
        await an_endpoint(client, slow.url, batch_max=1)
        await an_endpoint(client, fast.url, batch_max=1)
        count = 2 * IN_FLIGHT_PER_ENDPOINT
        await report_all(client, [an_event() for _ in range(count)])
        await slow.until(IN_FLIGHT_PER_ENDPOINT)
        await report_all(client, [an_event() for _ in range(count)])
        await fast.until(2 * count)

        assert len(slow.got) == IN_FLIGHT_PER_ENDPOINT


async def test_many_hanging_endpoints_leave_room_for_one_that_answers(
    new_settings: NewSettings,
) -> None:
    async def hang(_: Got) -> bytes:
        await asyncio.sleep(3600)
        return OK

    hanging = IN_FLIGHT_MAX // IN_FLIGHT_PER_ENDPOINT + 5
    settings = await new_settings(webhook_loopback=True, webhook_timeout_seconds=60)
    async with running_app(settings, SteppedClock()) as app:
        merchant = await a_partner(
            app.state.runtime.resources.sessions, sources=SOURCES, scopes=MANAGER
        )
        async with (
            client_of(app, merchant.key) as client,
            receiving(hang) as slow,
            receiving() as fast,
            delivering(app),
        ):
            for _ in range(hanging):
                await an_endpoint(client, slow.url, batch_max=1)
            await report_all(client, [an_event() for _ in range(IN_FLIGHT_PER_ENDPOINT)])
            await slow.until(IN_FLIGHT_MAX // 2)
            await an_endpoint(client, fast.url, batch_max=1)
            await report_all(client, [an_event() for _ in range(20)])
            await fast.until(20)

            assert {one["type"] for one in fast.notices} == {"action.credited"}
            assert len(slow.got) <= IN_FLIGHT_MAX


async def test_an_endpoint_that_is_deleted_in_the_middle_gets_no_more(
    app: FastAPI, client: httpx.AsyncClient
) -> None:
    gate = asyncio.Event()

    async def answer(_: Got) -> bytes:
        await gate.wait()
        return answering(500)

    async with receiving(answer) as shop, receiving() as other, delivering(app):
        endpoint = await an_endpoint(client, shop.url, batch_max=1)
        path = f"/v1/webhook-endpoints/{endpoint['endpoint_id']}"
        await report_all(client, [an_event() for _ in range(2 * IN_FLIGHT_PER_ENDPOINT)])
        await shop.until(IN_FLIGHT_PER_ENDPOINT)
        assert (await client.delete(path)).status_code == 204
        gate.set()
        await an_endpoint(client, other.url)
        await report(client, an_event())
        await other.until(1)

    assert len(shop.got) == IN_FLIGHT_PER_ENDPOINT
    assert (await client.get(path)).status_code == 404
    assert (await client.get(f"{path}/deliveries")).status_code == 404


async def all_settled(client: httpx.AsyncClient, endpoint: dict[str, Any], count: int) -> None:
    """Wait until there are so many deliveries and none waits."""

    def done(found: list[Any]) -> bool:
        return len(found) == count and all(one["settled_at"] for one in found)

    await settled(client, endpoint, done)


async def test_a_range_is_sent_again_and_the_log_can_be_searched(
    app: FastAPI, client: httpx.AsyncClient, clock: SteppedClock
) -> None:
    async with receiving() as shop, delivering(app):
        endpoint = await an_endpoint(client, shop.url, batch_max=1)
        path = f"/v1/webhook-endpoints/{endpoint['endpoint_id']}"
        for count in (1, 2, 3):
            await report(client, an_event())
            await all_settled(client, endpoint, count)
            clock.advance(hours=1)
        since = (NOW + timedelta(hours=1)).isoformat()
        before = len(shop.got)
        asked = {"from": since, "to": (NOW + timedelta(hours=2)).isoformat()}
        again = await client.post(f"{path}/redeliver", json=asked)
        none = await client.post(f"{path}/redeliver", json={"failed": True})
        await shop.until(before + 1)
        found = await settled(
            client, endpoint,
            lambda found: all(one["state"] == "delivered" for one in found),
        )  # fmt: skip

    assert again.json() == {"deliveries": 1}
    assert none.json() == {"deliveries": 0}
    assert [len(one["attempts"]) for one in found] == [1, 2, 1]
    assert len(await deliveries_of(client, endpoint, **{"from": since})) == 2
    assert len(await deliveries_of(client, endpoint, to=since)) == 1
    assert await deliveries_of(client, endpoint, state="failed") == []
    page = (await client.get(f"{path}/deliveries", params={"limit": 2})).json()
    rest = await deliveries_of(client, endpoint, cursor=page["next_cursor"])
    assert [one["delivery_id"] for one in page["data"] + rest] == [
        one["delivery_id"] for one in found
    ]


async def test_old_deliveries_are_given_up_and_forgotten(
    app: FastAPI, client: httpx.AsyncClient, clock: SteppedClock
) -> None:
    async with receiving() as shop, delivering(app):
        endpoint = await an_endpoint(client, shop.url)
        path = f"/v1/webhook-endpoints/{endpoint['endpoint_id']}"
        await report(client, an_event())
        await settled(client, endpoint, lambda found: found and found[0]["settled_at"])
        await client.patch(path, json={"enabled": False})
        await report(client, an_event())
        await settled(client, endpoint, lambda found: len(found) == 2)
    context = {"resources": app.state.runtime.resources}

    clock.advance(seconds=GIVE_UP_AFTER.total_seconds() + 1)
    await sweep_deliveries(context)
    found = await deliveries_of(client, endpoint)  # both of one moment, so in any order
    assert sorted(one["state"] for one in found) == ["delivered", "failed"]
    clock.advance(days=app.state.runtime.resources.settings.webhook_retention_days)
    await sweep_deliveries(context)
    assert await deliveries_of(client, endpoint) == []
    async with app.state.runtime.resources.pool.acquire() as connection:
        assert await connection.fetchval("SELECT count(*) FROM webhook_attempt") == 0


async def test_what_waits_and_what_was_tried_is_in_the_metrics(
    app: FastAPI, client: httpx.AsyncClient, clock: SteppedClock
) -> None:
    async with receiving() as shop, delivering(app):
        endpoint = await an_endpoint(client, shop.url)
        await report(client, an_event())
        await settled(client, endpoint, lambda found: found and found[0]["settled_at"])

        async def counted() -> bool:
            return 'attempts_total{result="ok"} 1.0' in (await client.get("/metrics")).text

        await eventually(counted)
    await client.post(f"/v1/webhook-endpoints/{endpoint['endpoint_id']}/test")
    clock.advance(seconds=90)

    text = (await client.get("/metrics")).text
    assert "saxaul_webhook_backlog 1.0" in text
    assert "saxaul_webhook_oldest_seconds 90.0" in text


@given(st.integers(1, len(RETRY_CEILINGS_S)), st.floats(0, 0.999), st.integers(0, 10**5))
def test_a_delay_lies_under_its_ceiling_or_is_what_was_asked_for(
    tries: int, chance: float, wait_s: int
) -> None:
    at = retry_at(tries, now=NOW, wait_s=wait_s, random=lambda: chance)

    assert at is not None
    delay_s = (at - NOW).total_seconds()
    assert wait_s <= delay_s <= max(wait_s, RETRY_CEILINGS_S[tries - 1])


def test_the_delays_grow_for_about_three_days() -> None:
    assert list(RETRY_CEILINGS_S) == sorted(RETRY_CEILINGS_S)
    assert 60 <= sum(RETRY_CEILINGS_S) / 2 / 3600 <= 84
    assert retry_at(len(RETRY_CEILINGS_S) + 1, now=NOW, wait_s=5, random=lambda: 0.5) is None


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, 0), ("", 0), ("120", 120), (" 3 ", 3), ("-1", 0), ("1.5", 0), ("soon", 0),
        ("9" * 400, RETRY_AFTER_MAX_S), ("99999999", RETRY_AFTER_MAX_S), ("٣", 0),
        (format_datetime(NOW + timedelta(minutes=2), usegmt=True), 120),
        (format_datetime(NOW - timedelta(minutes=2), usegmt=True), 0),
        (format_datetime(NOW + timedelta(days=900), usegmt=True), RETRY_AFTER_MAX_S),
        ("Mon, 99 Foo 2026 00:00:00 GMT", 0), ("Mon, 15 Jun 2026 04:02:00", 0),
    ],
)  # fmt: skip
def test_retry_after_is_read_in_both_forms_and_bounded(value: str | None, expected: int) -> None:
    assert read_retry_after(value, NOW) == expected


@given(st.text(max_size=40))
def test_any_retry_after_is_some_number_of_seconds(value: str) -> None:
    assert 0 <= read_retry_after(value, NOW) <= RETRY_AFTER_MAX_S

"""A person's points and carbon: statement, earnings, entries, collecting, lists."""

import asyncio
from datetime import timedelta

import asyncpg
import httpx
import pytest
from builders import (
    NOW,
    SteppedClock,
    a_bike_ride,
    a_box,
    an_event,
    an_order,
    report,
    report_all,
    unique,
)
from fastapi import FastAPI
from webhook_receiver import eventually

DAY = timedelta(days=1)


async def points_of(client: httpx.AsyncClient, subject: str) -> dict:
    return (await client.get(f"/v1/people/{subject}")).json()["points"]


async def all_pages(client: httpx.AsyncClient, path: str, limit: int) -> tuple[list[dict], int]:
    rows: list[dict] = []
    pages, cursor = 0, None
    while pages == 0 or cursor is not None:
        answer = await client.get(
            path, params={"limit": limit, **({"cursor": cursor} if cursor else {})}
        )
        page = answer.json()
        rows += page["data"]
        cursor = page["next_cursor"]
        pages += 1
    return rows, pages


async def test_nobody_yet_has_nothing(partner: httpx.AsyncClient) -> None:
    answer = await partner.get(f"/v1/people/{unique('person')}")

    assert answer.status_code == 200
    assert answer.json()["points"] == {
        "balance": 0,
        "debt": 0,
        "ripening": 0,
        "collectable": 0,
        "lapsed": 0,
        "taken_by_friends": 0,
        "issued": 0,
        "next_ripens_at": None,
        "pending": 0,
        "pending_said": None,
    }


async def test_points_and_carbon_are_told_apart(partner: httpx.AsyncClient) -> None:
    subject = unique("person")
    await report_all(
        partner,
        [
            an_event(subject=subject),
            an_order(subject=subject),
            a_box(subject=subject, evidencelevel="L0"),
            a_bike_ride(subject=subject, scope="3"),
        ],
    )

    statement = (await partner.get(f"/v1/people/{subject}")).json()

    assert statement["points"]["ripening"] == 794 + 12 + 30 + 138
    assert statement["carbon"] == {
        "avoided_mg": str(794592 + 12521),
        "actions": 2,
        "by_activity": [
            {"activity": "food.no_cutlery", "actions": 1, "avoided_mg": "12521"},
            {"activity": "transit.metro", "actions": 1, "avoided_mg": "794592"},
        ],
    }


async def test_points_ripen_are_collectable_and_lapse(
    partner: httpx.AsyncClient, clock: SteppedClock
) -> None:
    subject = unique("person")
    await report(partner, an_event(subject=subject))
    seen = []

    for hours in (0, 18.999, 19, 19 + 71.999, 19 + 72):
        clock.now = NOW + timedelta(hours=hours)
        points = await points_of(partner, subject)
        seen.append((points["ripening"], points["collectable"], points["lapsed"]))

    assert seen == [(794, 0, 0), (794, 0, 0), (0, 794, 0), (0, 794, 0), (0, 0, 794)]


async def test_the_statement_says_when_the_next_points_ripen(
    partner: httpx.AsyncClient, clock: SteppedClock
) -> None:
    subject = unique("person")
    await report(partner, an_event(subject=subject))
    before = await points_of(partner, subject)
    clock.advance(hours=19)
    after = await points_of(partner, subject)

    assert before["next_ripens_at"] == "2026-06-15T23:00:00Z"
    assert after["next_ripens_at"] is None


async def test_collecting_moves_what_is_ripe_to_the_balance(
    partner: httpx.AsyncClient, clock: SteppedClock
) -> None:
    subject = unique("person")
    await report_all(partner, [an_event(subject=subject), an_order(subject=subject)])
    early = (await partner.post(f"/v1/people/{subject}/collect")).json()
    clock.advance(hours=19)

    answer = await partner.post(f"/v1/people/{subject}/collect")
    again = (await partner.post(f"/v1/people/{subject}/collect")).json()

    assert early == {"points": 0, "balance": 0, "earnings": []}
    assert answer.status_code == 200
    assert answer.json() == {
        "points": 806,
        "balance": 806,
        "earnings": [
            {"local_day": "2026-06-15", "activity": "food.no_cutlery", "points": 12},
            {"local_day": "2026-06-15", "activity": "transit.metro", "points": 794},
        ],
    }
    assert again == {"points": 0, "balance": 806, "earnings": []}
    points = await points_of(partner, subject)
    assert (points["balance"], points["collectable"], points["issued"]) == (806, 0, 806)


async def test_points_that_arrive_while_collecting_waits_are_collected_too(
    app: FastAPI, partner: httpx.AsyncClient, clock: SteppedClock
) -> None:
    subject = unique("person")
    told = await report(partner, an_event(subject=subject))
    clock.advance(hours=19)
    action = "SELECT bucket, person_id FROM action WHERE action_id = $1"
    waits = "SELECT bool_or($1 = ANY (pg_blocking_pids(pid))) FROM pg_stat_activity"

    async def blocked(by: asyncpg.Connection) -> object:
        return await by.fetchval(waits, by.get_server_pid())

    async with app.state.runtime.resources.pool.acquire() as event:
        owner = await event.fetchrow(action, told["action_id"])
        whose = "WHERE bucket = $1 AND person_id = $2"
        async with event.transaction():  # as a lane commits another ride of that day
            await event.execute(f"SELECT 1 FROM account {whose} FOR UPDATE", *owner)
            await event.execute(f"UPDATE earning SET points = points + 100 {whose}", *owner)
            collecting = asyncio.create_task(partner.post(f"/v1/people/{subject}/collect"))
            await eventually(lambda: blocked(event))
        answer = await collecting

    assert answer.status_code == 200
    assert answer.json()["points"] == told["points"] + 100


async def test_lapsed_points_cannot_be_collected(
    partner: httpx.AsyncClient, clock: SteppedClock
) -> None:
    subject = unique("person")
    await report(partner, an_event(subject=subject))
    clock.advance(hours=19 + 72)

    collected = (await partner.post(f"/v1/people/{subject}/collect")).json()

    assert collected["points"] == 0
    earning = (await partner.get(f"/v1/people/{subject}/earnings")).json()["data"][0]
    assert (earning["points"], earning["lapsed"], earning["uncollected"]) == (794, 794, 0)


async def test_what_comes_after_a_lapse_ripens_anew(
    backfill: httpx.AsyncClient, clock: SteppedClock
) -> None:
    subject = unique("person")
    await report(backfill, an_event(subject=subject))
    clock.advance(hours=19 + 72)
    await report(backfill, an_event({"distance_km": "3"}, subject=subject))
    clock.advance(hours=24)

    collected = (await backfill.post(f"/v1/people/{subject}/collect")).json()

    assert collected["points"] == 192
    points = await points_of(backfill, subject)
    assert (points["issued"], points["balance"], points["lapsed"]) == (986, 192, 794)


async def test_an_earning_says_where_its_points_are(
    partner: httpx.AsyncClient, clock: SteppedClock
) -> None:
    subject = unique("person")
    await report_all(partner, [an_event(subject=subject), an_event(subject=subject)])
    clock.advance(hours=19)
    await partner.post(f"/v1/people/{subject}/collect")

    earning = (await partner.get(f"/v1/people/{subject}/earnings")).json()["data"]

    assert earning == [
        {
            "local_day": "2026-06-15",
            "activity": "transit.metro",
            "actions": 2,
            "points": 1588,
            "uncollected": 0,
            "collected": 1588,
            "taken_by_friends": 0,
            "lapsed": 0,
            "reversed": 0,
            "ripens_at": "2026-06-15T23:00:00Z",
            "lapses_at": "2026-06-18T23:00:00Z",
        }
    ]


async def test_an_entry_says_what_it_is_for(
    partner: httpx.AsyncClient, clock: SteppedClock
) -> None:
    subject = unique("person")
    await report(partner, an_event(subject=subject))
    clock.advance(hours=19)
    await partner.post(f"/v1/people/{subject}/collect")

    (entry,) = (await partner.get(f"/v1/people/{subject}/entries")).json()["data"]

    assert (entry["kind"], entry["points"], entry["balance_after"]) == ("collect", 794, 794)
    assert entry["ref"]["earnings"] == [
        {"local_day": "2026-06-15", "activity": "transit.metro", "points": 794}
    ]


# Idempotency-Key


async def test_the_same_key_replays_the_stored_answer(
    partner: httpx.AsyncClient, clock: SteppedClock
) -> None:
    subject, key = unique("person"), {"Idempotency-Key": unique("key")}
    await report(partner, an_event(subject=subject))
    clock.advance(hours=19)

    first = await partner.post(f"/v1/people/{subject}/collect", headers=key)
    second = await partner.post(f"/v1/people/{subject}/collect", headers=key)

    assert first.json()["points"] == 794
    assert "idempotent-replayed" not in first.headers
    assert second.json() == first.json()
    assert second.headers["idempotent-replayed"] == "true"


async def test_the_same_key_for_another_request_is_refused(partner: httpx.AsyncClient) -> None:
    key = {"Idempotency-Key": unique("key")}
    await partner.post(f"/v1/people/{unique('person')}/collect", headers=key)

    answer = await partner.post(f"/v1/people/{unique('person')}/collect", headers=key)

    assert answer.status_code == 422
    assert answer.json()["type"] == "/problems/idempotency-key-reused"


async def test_another_caller_may_use_the_same_key(
    partner: httpx.AsyncClient, rival: httpx.AsyncClient
) -> None:
    key, subject = {"Idempotency-Key": unique("key")}, unique("person")
    await partner.post(f"/v1/people/{subject}/collect", headers=key)

    answer = await rival.post(f"/v1/people/{subject}/collect", headers=key)

    assert answer.status_code == 200
    assert "idempotent-replayed" not in answer.headers


@pytest.mark.parametrize("key", ["", "x" * 129])
async def test_a_bad_key_is_named(partner: httpx.AsyncClient, key: str) -> None:
    answer = await partner.post(
        f"/v1/people/{unique('person')}/collect", headers={"Idempotency-Key": key}
    )

    assert answer.status_code == 422
    assert "idempotency" in answer.json()["errors"][0]["pointer"].lower()


# Lists


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 5, 200])
async def test_pages_of_actions_hold_each_once_newest_first(
    partner: httpx.AsyncClient, clock: SteppedClock, limit: int
) -> None:
    subject = unique("person")
    ids = []
    for _ in range(4):
        clock.advance(seconds=1)
        ids.append((await report(partner, an_event(subject=subject)))["action_id"])

    rows, pages = await all_pages(partner, f"/v1/people/{subject}/actions", limit)

    assert [row["action_id"] for row in rows] == ids[::-1]
    assert pages == -(-4 // limit)


@pytest.mark.parametrize("limit", [1, 3, 4, 200])
async def test_pages_of_earnings_hold_each_once_newest_first(
    partner: httpx.AsyncClient, limit: int
) -> None:
    subject = unique("person")
    times = [f"2026-06-{day}T10:00:00+08:00" for day in (12, 13)]
    await report_all(
        partner,
        [kind(subject=subject, time=time) for kind in (an_event, an_order) for time in times],
    )

    rows, pages = await all_pages(partner, f"/v1/people/{subject}/earnings", limit)

    assert [(row["local_day"], row["activity"]) for row in rows] == [
        ("2026-06-13", "transit.metro"),
        ("2026-06-13", "food.no_cutlery"),
        ("2026-06-12", "transit.metro"),
        ("2026-06-12", "food.no_cutlery"),
    ]
    assert pages == -(-4 // limit)


@pytest.mark.parametrize("limit", [1, 2, 3, 200])
async def test_pages_of_entries_hold_each_once_newest_first(
    backfill: httpx.AsyncClient, clock: SteppedClock, limit: int
) -> None:
    subject = unique("person")
    for day in (10, 11, 12):
        await report(backfill, an_event(subject=subject, time=f"2026-06-{day}T10:00:00+08:00"))
        clock.advance(days=1)
        await backfill.post(f"/v1/people/{subject}/collect")

    rows, pages = await all_pages(backfill, f"/v1/people/{subject}/entries", limit)

    assert [row["balance_after"] for row in rows] == [2382, 1588, 794]
    assert pages == -(-3 // limit)


async def test_entries_of_one_millisecond_keep_their_order(
    backfill: httpx.AsyncClient, clock: SteppedClock
) -> None:
    subject = unique("person")
    days = [f"2026-06-{day:02}" for day in (5, 6, 7, 8, 9, 10)]
    for day in days:
        await report(backfill, an_event(subject=subject, time=f"{day}T10:00:00+08:00"))
    clock.advance(days=1)
    for day in days:
        which = {"local_day": day, "activity": "transit.metro"}
        await backfill.post(f"/v1/people/{subject}/collect", json=which)

    rows, _ = await all_pages(backfill, f"/v1/people/{subject}/entries", 50)

    assert [row["balance_after"] for row in rows] == [794 * n for n in (6, 5, 4, 3, 2, 1)]


async def test_a_partner_sees_actions_of_its_own_sources_only(
    partner: httpx.AsyncClient, rival: httpx.AsyncClient, admin: httpx.AsyncClient
) -> None:
    subject = unique("person")
    mine = await report(partner, an_event(subject=subject))
    theirs = await report(rival, an_event(subject=subject, source="rival-metro"))

    async def ids(client: httpx.AsyncClient) -> set[str]:
        rows, _ = await all_pages(client, f"/v1/people/{subject}/actions", 50)
        return {row["action_id"] for row in rows}

    assert await ids(partner) == {mine["action_id"]}
    assert await ids(rival) == {theirs["action_id"]}
    assert await ids(admin) == {mine["action_id"], theirs["action_id"]}


async def test_a_cursor_of_another_list_is_refused(partner: httpx.AsyncClient) -> None:
    subject = unique("person")
    await report_all(partner, [an_event(subject=subject), an_event(subject=subject)])
    page = (await partner.get(f"/v1/people/{subject}/actions?limit=1")).json()

    answer = await partner.get(
        f"/v1/people/{subject}/earnings", params={"cursor": page["next_cursor"]}
    )

    assert answer.status_code == 422
    assert answer.json()["type"] == "/problems/cursor-invalid"

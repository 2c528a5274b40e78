"""Somebody is forgotten: nothing says who they were, and every sum is what it was."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import httpx
import pytest
from builders import (
    NOW,
    SOURCES,
    NewSettings,
    SteppedClock,
    a_partner,
    a_ride,
    a_token,
    an_event,
    as_operator,
    catch_up,
    client_of,
    report,
    report_all,
    running_app,
    unique,
)
from fastapi import FastAPI
from webhook_receiver import delivering, receiving

from service.forest.catalogue import add_project, add_species
from service.forest.tables import Project, Species
from service.partners.person import PersonId, bucket_of
from service.reconciliation.reconcile import reconcile, sum_points
from service.rights import store
from service.rights.erase import anonym_in
from service.rights.finish import finish_erasures, without_person
from service.totals.counters import Counters
from workers.erasures import finish_all_erasures

PROGRAMME = "programme"


@pytest.fixture
def clock() -> SteppedClock:
    return SteppedClock()


@pytest.fixture
async def app(new_settings: NewSettings, clock: SteppedClock) -> AsyncIterator[FastAPI]:
    settings = await new_settings(webhook_loopback=True)
    async with running_app(settings, clock) as running:
        yield running


@pytest.fixture
async def operator(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """The programme's own app, with all rights."""
    made = await a_partner(
        app.state.runtime.resources.sessions,
        sources=SOURCES,
        scopes=("admin",),
        people=PROGRAMME,
    )
    async with client_of(app, made.key) as client:
        yield client


async def must(answer: Any) -> httpx.Response:
    got: httpx.Response = await answer
    assert got.is_success, (got.request.url, got.text)
    return got


def key() -> dict[str, str]:
    return {"Idempotency-Key": unique("key")}


async def live(app: FastAPI, operator: httpx.AsyncClient, clock: SteppedClock) -> dict[str, Any]:
    """Two friends do a bit of everything; what one of them left behind."""
    ann, ben = unique("ann"), unique("ben")
    at = clock.now.isoformat()
    events = [an_event({"city": "Zqtown"}, subject=ann, time=at) for _ in range(2)]
    taken = await report_all(operator, [*events, a_ride(subject=ben, time=at)])
    clock.advance(hours=30)
    for who in (ann, ben):
        body = {"display_name": f"Name of {who}", "region": "CN-ZJ"}
        await must(operator.put(f"/v1/people/{who}/profile", json=body, headers=key()))
        await must(operator.post(f"/v1/people/{who}/collect", headers=key()))
    asked = await must(operator.post(f"/v1/people/{ann}/friends", json={"subject": ben}))
    friendship = asked.json()["friendship_id"]
    await must(operator.post(f"/v1/people/{ben}/friends/{friendship}/accept", json={}))
    for who in (ann, ben):
        path = f"/v1/people/{who}/friends/{friendship}/water"
        await must(operator.post(path, json={"points": 10}))
        grant = {"points": 500, "reason": f"for {who}"}
        await must(operator.post(f"/v1/people/{who}/grants", json=grant, headers=key()))
    order = {"project_id": await a_grove(app), "subject": ann, "display_name": f"Name of {ann}"}
    placed = (await must(operator.post("/v1/orders", json=order, headers=key()))).json()
    pool = {**order, "name": "Ours"}
    made = (await must(operator.post("/v1/pools", json=pool))).json()
    pours = {"subject": ann, "points": 20}
    await must(operator.post(f"/v1/pools/{made['pool_id']}/contributions", json=pours))
    undone = f"/v1/actions/{taken[1]['action_id']}/reversal"
    await must(operator.post(undone, json={"reason": f"{ann} asked"}))
    return {"ann": ann, "ben": ben, "events": events, "taken": taken, "placed": placed, **made}


async def a_grove(app: FastAPI) -> str:
    name = unique("grove")
    async with as_operator(app.state.runtime.resources.sessions) as session:
        await add_species(
            session,
            Species(
                species=name,
                scientific_name="Haloxylon ammodendron",
                local_name="梭梭",
                english_name="Saxaul",
                price_points=100,
                price_source="a published price",
            ),
            now=NOW,
        )
        project = Project(
            project=name,
            name="Saxaul",
            species=name,
            place="Alxa League",
            region="CN-NM",
            planting_partner="Green hands",
            opens_on=NOW.date(),
            closes_on=NOW.date().replace(month=12),
            stock=10,
            price_points=100,
        )
        await add_project(session, project, now=NOW)
    return name


async def sums(app: FastAPI) -> list[object]:
    """Everything that is summed, and the proof that it adds up."""
    await catch_up(app)
    resources = app.state.runtime.resources
    counters = Counters(resources.valkey, resources.sessions)
    checks = await reconcile(resources.sessions, counters)
    assert [check for check in checks if not check.holds] == []
    async with resources.sessions() as session:
        points = await sum_points(session)
    async with resources.pool.acquire() as connection:
        leaves = await connection.fetch(
            "SELECT bucket, batch_id, leaves FROM journal ORDER BY 1, 2"
        )
        days = await connection.fetch("SELECT * FROM total_day ORDER BY 1, 2, 3, 4, 5, 6, 7, 8")
        people = await connection.fetchval("SELECT count(*) FROM account WHERE counted")
    return [points, [check.shown for check in checks], list(map(tuple, leaves)),
            list(map(tuple, days)), people]  # fmt: skip


async def dump(app: FastAPI) -> str:
    """All rows of all tables as text; bytes are in hex there, and bodies as they are, too."""
    lines = []
    async with app.state.runtime.resources.pool.acquire() as connection:
        tables = await connection.fetch(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
        )
        for (table,) in tables:
            for (row,) in await connection.fetch(f'SELECT one::text FROM "{table}" AS one'):
                lines.append(f"{table}: {row}")
        for (body,) in await connection.fetch("SELECT body FROM webhook_delivery"):
            lines.append(f"body: {body.decode()}")
    return "\n".join(lines)


def id_of(app: FastAPI, subject: str) -> PersonId:
    found: PersonId = app.state.runtime.hasher.person(subject)
    return found


async def finish(app: FastAPI) -> int:
    resources = app.state.runtime.resources
    return await finish_erasures(resources.sessions, app.state.runtime.hasher, resources.clock)


async def test_every_sum_is_what_it_was_and_nothing_says_who_it_was(
    app: FastAPI, operator: httpx.AsyncClient, clock: SteppedClock
) -> None:
    async with receiving() as receiver, delivering(app):
        wanted = {"url": receiver.url, "types": ["action.credited", "order.placed"]}
        await must(operator.post("/v1/webhook-endpoints", json=wanted))
        life = await live(app, operator, clock)
        await receiver.until_notices(lambda notices: len(notices) >= 3)
    before, person = await sums(app), id_of(app, life["ann"])
    assert str(person.id) in await dump(app)

    answer = await operator.delete(f"/v1/people/{life['ann']}")
    finished = await finish(app)

    assert answer.status_code == 202, answer.text
    assert (answer.json()["actions"], finished) == (2, 1)
    assert await sums(app) == before
    left = await dump(app)
    tombstones = [line for line in left.splitlines() if str(person.id) in line]
    assert [line.partition(":")[0] for line in tombstones] == ["tombstone"]
    for name in (life["ann"], "Zqtown", *(event["id"] for event in life["events"])):
        assert name not in left, name
    assert f"Name of {life['ben']}" in left


async def test_what_is_left_of_an_action_are_its_sums(
    app: FastAPI, operator: httpx.AsyncClient, clock: SteppedClock
) -> None:
    life = await live(app, operator, clock)
    kept = "action_id, bucket, local_day, activity, region, gross_mg, avoided_mg, points, outcome"
    async with app.state.runtime.resources.pool.acquire() as connection:
        was = await connection.fetch(f"SELECT {kept} FROM action ORDER BY action_id")
        await must(operator.delete(f"/v1/people/{life['ann']}"))
        now = await connection.fetch(f"SELECT {kept} FROM action ORDER BY action_id")
        emptied = await connection.fetch("SELECT * FROM action WHERE erased_at IS NOT NULL")
        salts = await connection.fetch("SELECT salt FROM reversal")
        certificate = await connection.fetchrow("SELECT * FROM certificate")

    assert now == was
    assert {(row["data"], row["digest"], row["salt"], row["detail"]) for row in emptied} == {
        ("{}", b"", None, None)
    }
    assert {bucket_of(row["person_id"].bytes) for row in emptied} == {emptied[0]["bucket"]}
    assert [row["salt"] for row in salts] == [None]
    assert (certificate["display_name"], certificate["voided_at"]) == (None, None)


async def test_a_repeat_of_an_erased_event_is_gone_and_makes_no_account(
    app: FastAPI, operator: httpx.AsyncClient, clock: SteppedClock
) -> None:
    life = await live(app, operator, clock)
    ann = id_of(app, life["ann"])
    await must(operator.delete(f"/v1/people/{life['ann']}"))
    clock.advance(hours=1)
    late = an_event(subject=life["ann"], time=(NOW).isoformat())

    again = await operator.post("/v1/events", json=life["events"][0])
    never_seen = await operator.post("/v1/events", json=late)
    mixed = await report_all(operator, [late, a_ride(subject=life["ben"])])

    assert [one.status_code for one in (again, never_seen)] == [410, 410]
    assert again.json()["type"] == "/problems/person-erased"
    assert mixed[0]["problem"]["type"] == "/problems/person-erased"
    assert mixed[1]["outcome"] == "credited"
    async with app.state.runtime.resources.pool.acquire() as connection:
        there = "SELECT count(*) FROM account WHERE person_id = $1"
        assert await connection.fetchval(there, ann.id) == 0


async def test_somebody_who_comes_back_begins_anew(
    app: FastAPI, operator: httpx.AsyncClient, clock: SteppedClock
) -> None:
    life = await live(app, operator, clock)
    await must(operator.delete(f"/v1/people/{life['ann']}"))
    path = f"/v1/people/{life['ann']}"
    away = await operator.post(f"{path}/grants", json={"points": 5, "reason": "a gift"})
    clock.advance(hours=2)

    result = await report(operator, a_ride(subject=life["ann"], time=clock.now.isoformat()))
    repeat = await operator.post("/v1/events", json=life["events"][0])
    shown = (await operator.get(path)).json()

    assert away.json()["type"] == "/problems/person-erased"
    assert (result["outcome"], result["duplicate"]) == ("credited", False)
    assert repeat.status_code == 410
    assert (shown["points"]["balance"], shown["carbon"]["actions"]) == (0, 1)
    await sums(app)


async def test_a_tombstone_has_its_time(
    app: FastAPI, operator: httpx.AsyncClient, clock: SteppedClock
) -> None:
    life = await live(app, operator, clock)
    await must(operator.delete(f"/v1/people/{life['ann']}"))
    resources = app.state.runtime.resources
    both = {"resources": resources, "sandbox": resources}
    async with resources.pool.acquire() as connection:
        counts = []
        for days in (29, 2):
            clock.advance(days=days)
            await finish_all_erasures(both)
            counts.append(await connection.fetchval("SELECT count(*) FROM tombstone"))

    assert counts == [1, 0]


async def test_the_erased_action_says_that_it_is_gone(
    app: FastAPI, operator: httpx.AsyncClient, clock: SteppedClock
) -> None:
    life = await live(app, operator, clock)
    await must(operator.delete(f"/v1/people/{life['ann']}"))
    action = f"/v1/actions/{life['taken'][0]['action_id']}"

    answers = [
        await operator.get(action),
        await operator.get(f"{action}/receipt"),
        await operator.post(f"{action}/reversal", json={"reason": "refund"}),
        await operator.post(f"{action}/transfer", json={"scheme": "a", "reference": "b"}),
    ]

    assert [answer.status_code for answer in answers] == [410] * 4
    assert {answer.json()["type"] for answer in answers} == {"/problems/action-erased"}


async def test_people_forget_themselves_and_nobody_else(
    app: FastAPI, operator: httpx.AsyncClient, clock: SteppedClock, home
) -> None:
    life = await live(app, operator, clock)
    resources = app.state.runtime.resources
    shop = await a_partner(resources.sessions, sources=("shop",))
    async with (
        client_of(app, a_token(home, life["ben"])) as ben,
        client_of(app, shop.key) as merchant,
        client_of(app) as nobody,
    ):
        refused = [
            await ben.delete(f"/v1/people/{life['ann']}"),
            await merchant.delete(f"/v1/people/{life['ann']}"),
            await nobody.delete(f"/v1/people/{life['ann']}"),
        ]
        done = await ben.delete("/v1/people/me")
        shown = (await ben.get("/v1/people/me")).json()

    assert [answer.status_code for answer in refused] == [403, 403, 401]
    assert done.status_code == 202
    assert shown["points"]["balance"] == 0
    async with resources.pool.acquire() as connection:
        acts = await connection.fetch(
            "SELECT actor, target FROM audit_event WHERE act LIKE 'person.%'"
        )
    [act] = acts
    assert act["target"] == f"person:{act['actor']}"
    assert act["actor"] != str(id_of(app, life["ben"]).id)
    await sums(app)


async def test_erasing_while_events_arrive_loses_nothing(
    app: FastAPI, operator: httpx.AsyncClient, clock: SteppedClock
) -> None:
    subject, at = unique("busy"), clock.now.isoformat()
    clock.advance(seconds=5)

    async def send(count: int) -> list[int]:
        answers = [
            await operator.post("/v1/events", json=a_ride(subject=subject, time=at))
            for _ in range(count)
        ]
        return [answer.status_code for answer in answers]

    async def erase() -> None:
        await asyncio.sleep(0.05)
        await must(operator.delete(f"/v1/people/{subject}"))

    *sent, _ = await asyncio.gather(*(send(6) for _ in range(6)), erase())

    statuses = [status for some in sent for status in some]
    assert set(statuses) <= {201, 410}
    assert statuses.count(410) > 0
    async with app.state.runtime.resources.pool.acquire() as connection:
        there = await connection.fetchval(
            "SELECT count(*) FROM account WHERE person_id = $1", id_of(app, subject).id
        )
        actions = await connection.fetchval(
            "SELECT count(*) FROM action WHERE erased_at IS NOT NULL"
        )
    assert (there, actions) == (0, statuses.count(201))
    await sums(app)


@pytest.mark.parametrize("step", ["begin", "events_of", "erase"])
async def test_killed_before_its_end_nothing_is_erased(
    app: FastAPI,
    operator: httpx.AsyncClient,
    clock: SteppedClock,
    monkeypatch: pytest.MonkeyPatch,
    step: str,
) -> None:
    """The connection ends at this line: all of it is undone, and doing it again does it."""
    life = await live(app, operator, clock)
    before, rows = await sums(app), await dump(app)
    done = getattr(store, step)

    async def killed(*args: Any, **named: Any) -> None:
        await done(*args, **named)
        raise ConnectionResetError

    with monkeypatch.context() as patch:
        patch.setattr(store, step, killed)
        answer = await operator.delete(f"/v1/people/{life['ann']}")
    assert answer.status_code == 503
    assert await dump(app) == rows

    await must(operator.delete(f"/v1/people/{life['ann']}"))
    assert await finish(app) == 1
    assert await sums(app) == before


@pytest.mark.parametrize("step", ["unfinished", "endpoints_told", "window", "rewrite_delivery"])
async def test_a_run_that_was_killed_is_taken_up_again(
    app: FastAPI,
    operator: httpx.AsyncClient,
    clock: SteppedClock,
    monkeypatch: pytest.MonkeyPatch,
    step: str,
) -> None:
    async with receiving() as receiver, delivering(app):
        wanted = {"url": receiver.url, "types": ["action.credited"], "batch_max": 1}
        await must(operator.post("/v1/webhook-endpoints", json=wanted))
        life = await live(app, operator, clock)
        await receiver.until(2)
    await must(operator.delete(f"/v1/people/{life['ann']}"))
    done, person = getattr(store, step), str(id_of(app, life["ann"]).id)

    async def killed(*args: Any, **named: Any) -> None:
        await done(*args, **named)
        raise ConnectionResetError

    with monkeypatch.context() as patch:
        patch.setattr(store, step, killed)
        with pytest.raises(ConnectionResetError):
            await finish(app)
    assert person in (await dump(app)).replace("tombstone", "")

    assert await finish(app) == 1
    assert await finish(app) == 0
    left = [line for line in (await dump(app)).splitlines() if person in line]
    assert [line.partition(":")[0] for line in left] == ["tombstone"]


def a_notice(person: str) -> dict[str, Any]:
    return {"type": "action.credited", "timestamp": "t", "data": {"person": person, "sequence": 1}}


def test_a_batch_keeps_what_is_about_others() -> None:
    def batch(*people: str) -> bytes:
        actions = [a_notice(one) for one in people]
        message = {"type": "action.batch", "timestamp": "t", "data": {"actions": actions}}
        return json.dumps(message).encode()

    kept, count = without_person(batch("a", "b", "a"), "a")

    assert kept is not None
    assert (json.loads(kept), count) == (json.loads(batch("b")), 1)
    assert without_person(batch("a", "a"), "a") == (None, 0)
    assert without_person(json.dumps(a_notice("a")).encode(), "a") == (None, 0)


@pytest.mark.parametrize("bucket", [0, 1, 512, 1023])
def test_an_anonym_lies_in_the_bucket(bucket: int) -> None:
    found = {anonym_in(bucket) for _ in range(50)}

    assert len(found) == 50
    assert {bucket_of(one.bytes) for one in found} == {bucket}


async def test_the_gate_in_the_fence_opens_for_nothing_else(
    app: FastAPI, operator: httpx.AsyncClient, clock: SteppedClock
) -> None:
    """Not for the owner either, who says that it is open: no sum changes, nobody is erased
    without a tombstone."""
    life = await live(app, operator, clock)
    await must(operator.delete(f"/v1/people/{life['ben']}"))
    wrong = {
        "UPDATE action SET avoided_mg = avoided_mg + 1",
        "UPDATE action SET points = points + 1, data = '{}'",
        "UPDATE entry SET points = points + 1",
        "UPDATE journal SET leaves = ''",
        "UPDATE reversal SET avoided_mg = 0",
        "UPDATE audit_event SET act = 'x'",
        "DELETE FROM action",
    }
    connection = await asyncpg.connect(app.state.runtime.resources.settings.database_url)
    await connection.execute("SET saxaul.erasing = 'on'")
    for statement in sorted(wrong):
        with pytest.raises(asyncpg.IntegrityConstraintViolationError, match="append-only"):
            await connection.execute(statement)
    await connection.execute("RESET saxaul.erasing")
    with pytest.raises(asyncpg.IntegrityConstraintViolationError, match="append-only"):
        await connection.execute("UPDATE action SET data = '{}'")
    row = await connection.fetchrow(
        "SELECT bucket, person_id FROM action WHERE erased_at IS NULL LIMIT 1"
    )
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="written down"):
        await connection.execute("SELECT erase_facts($1::int2, $2, gen_random_uuid(), now())", *row)
    await connection.close()


async def test_a_person_without_anything_may_ask_too(
    operator: httpx.AsyncClient, app: FastAPI
) -> None:
    answer = await operator.delete(f"/v1/people/{unique('nobody')}")

    assert (answer.status_code, answer.json()["actions"]) == (202, 0)
    assert await finish(app) == 1

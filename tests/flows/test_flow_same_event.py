"""The same event, and the same ride, from many clients at once: one credit, one owner."""

import asyncio
import json
from collections import Counter
from contextlib import AsyncExitStack

import httpx
import pytest
from builders import a_ride, an_order, unique
from flow_clients import DAY, Event, of_the_demo, send
from flow_system import System

CLIENTS = 10
ROUNDS = 20


async def test_the_same_event_from_ten_clients_at_once_is_credited_once(system: System) -> None:
    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(system.client()) for _ in range(CLIENTS)]
        for _ in range(ROUNDS):
            event = of_the_demo(a_ride())

            answers = await asyncio.gather(*(send(client, [event]) for client in clients))

            _assert_credited_once(answers)
    assert await system.count("SELECT count(*) FROM action WHERE event_id = $1", event["id"]) == 1


async def test_the_same_event_from_ten_clients_of_one_process_is_credited_once(
    backfill: httpx.AsyncClient,
) -> None:
    for _ in range(ROUNDS):
        event = a_ride()

        answers = await asyncio.gather(*(send(backfill, [event]) for _ in range(CLIENTS)))

        _assert_credited_once(answers)


async def test_the_same_batch_from_ten_clients_at_once_is_credited_once(system: System) -> None:
    subject = unique("person")
    batch = [of_the_demo(make(subject=subject)) for make in (a_ride, an_order) for _ in range(5)]

    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(system.client()) for _ in range(CLIENTS)]
        answers = await asyncio.gather(*(send(client, batch) for client in clients))
        statement = (await clients[0].get(f"/v1/people/{subject}")).json()

    results = [result for answer in answers for result in answer.json()["results"]]
    first = [result for result in results if not result["duplicate"]]
    assert Counter(result["id"] for result in results) == {e["id"]: CLIENTS for e in batch}
    assert sorted(result["id"] for result in first) == sorted(event["id"] for event in batch)
    assert statement["points"]["issued"] == sum(result["points"] for result in first)


async def test_an_event_with_other_content_never_wins_over_the_first(system: System) -> None:
    event = of_the_demo(a_ride())
    others = [
        {**event, "data": {**event["data"], "distance_km": str(km)}} for km in range(1, CLIENTS)
    ]

    async with system.client() as client:
        answers = await asyncio.gather(*(send(client, [e]) for e in (event, *others)))

    assert Counter(answer.status_code for answer in answers) == {201: 1, 409: CLIENTS - 1}


@pytest.fixture(scope="module")
async def rival_key(system: System) -> str:
    done = await system.saxaul(
        "keys", "add", "rival", "--source", "rival-metro", "--scope", "events:write",
        "--scope", "events:backfill", "--scope", "actions:read",
    )  # fmt: skip
    assert done.code == 0, done.text
    return done.text.splitlines()[0]


async def test_the_same_claim_from_two_partners_at_once_has_one_owner(
    system: System, rival_key: str
) -> None:
    rounds = 60
    owners: Counter[str] = Counter()

    async with system.client() as demo, system.client(rival_key) as rival:
        for _ in range(rounds):
            trip = unique("trip")
            ours, theirs = _rides(trip)

            answers = await asyncio.gather(send(demo, [ours]), send(rival, [theirs]))

            outcomes = [answer.json()["outcome"] for answer in answers]
            assert sorted(outcomes) == ["already_claimed", "credited"]
            owners["demo" if outcomes[0] == "credited" else "rival"] += 1
    assert owners.total() == rounds


async def test_many_claims_from_two_partners_at_once_have_one_owner_each(
    system: System, rival_key: str
) -> None:
    trips = [unique("trip") for _ in range(300)]
    ours, theirs = zip(*map(_rides, trips), strict=True)

    async with system.client() as demo, system.client(rival_key) as rival:
        answers = await asyncio.gather(
            *(send(demo, ours[at : at + 30]) for at in range(0, 300, 30)),
            *(send(rival, theirs[at : at + 30][::-1]) for at in range(0, 300, 30)),
        )

    names = {event["id"]: event["data"]["trip_id"] for event in (*ours, *theirs)}
    credited = Counter(
        names[result["id"]]
        for answer in answers
        for result in answer.json()["results"]
        if result["outcome"] == "credited"
    )
    assert credited == dict.fromkeys(trips, 1)


def _rides(trip: str) -> tuple[Event, Event]:
    """The same ride as two partners report it, for two people."""
    ours = of_the_demo(a_ride({"trip_id": trip}))
    theirs = a_ride({"trip_id": trip}, source="rival-metro", time=f"{DAY}T08:30:00+08:00")
    return ours, theirs


def _assert_credited_once(answers: list[httpx.Response]) -> None:
    bodies = [answer.json() for answer in answers]
    same = {json.dumps({**body, "duplicate": None}, sort_keys=True) for body in bodies}
    assert Counter(answer.status_code for answer in answers) == {201: 1, 200: CLIENTS - 1}
    assert Counter(body["duplicate"] for body in bodies) == {False: 1, True: CLIENTS - 1}
    assert len(same) == 1
    assert bodies[0]["outcome"] == "credited"

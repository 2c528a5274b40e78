"""Two API processes on one database, each at an address of its own: the answers are those of one.

Which process is asked what is chosen here, and not by the kernel.
"""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence

import httpx
import pytest
from builders import BATCH, SINGLE, a_bus_ride, a_ride, unique
from flow_clients import Event, of_the_demo
from flow_system import System

from loadtest.system import another_api, running_system

LIMIT_S = 300.0  # one more process has to start
PROCESSES = 2
RIDE_POINTS = 794
PRICE = 700  # a ride pays one tree
DEMO_PROJECT = "alxa-saxaul"
NO_QUOTA = {"SAXAUL_PARTNER_QUOTA_PER_MINUTE": "0"}
pytestmark = pytest.mark.timeout(LIMIT_S)
Request = tuple[str, Mapping[str, object] | None]


@pytest.fixture(scope="module")
def other_url(system: System) -> Iterator[str]:
    """One more process, beside those of the system that share an address."""
    same = {"SAXAUL_POLICY": system.environment["SAXAUL_POLICY"], **NO_QUOTA}
    with another_api(running_system(None, system.home), **same) as (found, _):
        yield found.url


@pytest.fixture
async def clients(system: System, other_url: str) -> AsyncIterator[list[httpx.AsyncClient]]:
    """A client of the system, and one of the other process."""
    async with system.client() as one, system.client() as other:
        other.base_url = other_url
        yield [one, other]


async def in_turn(
    clients: Sequence[httpx.AsyncClient], requests: Sequence[Request]
) -> list[httpx.Response]:
    """Send all at once: the first to one process, the second to the other, and so on."""
    return await asyncio.gather(
        *(
            clients[at % PROCESSES].post(path, headers=dict(SINGLE), json=body)
            for at, (path, body) in enumerate(requests)
        )
    )


async def with_points(client: httpx.AsyncClient, count: int) -> list[str]:
    """People who collected the points of a ride."""
    people = [unique("person") for _ in range(count)]
    rides = [of_the_demo(a_ride(subject=one)) for one in people]
    answer = await client.post("/v1/events", content=json.dumps(rides), headers=BATCH)
    assert answer.json()["counts"] == {"credited": count}
    for one in people:
        answer = await client.post(f"/v1/people/{one}/collect")
        assert answer.json()["balance"] == RIDE_POINTS
    return people


async def a_project(system: System, client: httpx.AsyncClient, *, stock: int) -> str:
    """Trees for a ride each; the project's id."""
    name = unique("project")
    admin = {"Authorization": f"Bearer {system.demo['admin_key']}"}
    listed = (await client.get(f"/v1/projects/{DEMO_PROJECT}")).json()
    given = {
        "project_id": name, "name": name, "species": "saxaul", "place": "a test",
        "region": "CN-NM", "planting_partner": "nobody", "price_points": PRICE, "stock": stock,
        "opens_on": listed["opens_on"], "closes_on": listed["closes_on"],
    }  # fmt: skip
    made = await client.post("/v1/admin/projects", json=given, headers=admin)
    assert made.status_code == 201, made.text
    return name


async def test_the_same_event_at_both_at_once_is_credited_once(
    clients: list[httpx.AsyncClient],
) -> None:
    for _ in range(20):
        event: Event = of_the_demo(a_ride())

        answers = await in_turn(clients, [("/v1/events", event)] * 4)

        assert Counter(one.status_code for one in answers) == {201: 1, 200: 3}
        assert len({one.json()["action_id"] for one in answers}) == 1


async def test_the_same_ride_of_two_people_at_both_at_once_has_one_owner(
    clients: list[httpx.AsyncClient],
) -> None:
    for _ in range(20):
        trip = unique("trip")
        rides = [of_the_demo(a_ride({"trip_id": trip})) for _ in range(PROCESSES)]

        answers = await in_turn(clients, [("/v1/events", ride) for ride in rides])

        outcomes = sorted(one.json()["outcome"] for one in answers)
        assert outcomes == ["already_claimed", "credited"]


async def test_a_cap_is_used_to_the_full_and_not_passed_by_both_together(
    clients: list[httpx.AsyncClient],
) -> None:
    subject = unique("person")
    rides = [of_the_demo(a_bus_ride(subject=subject)) for _ in range(60)]

    answers = await in_turn(clients, [("/v1/events", ride) for ride in rides])

    assert sum(one.json()["points"] for one in answers) == 3_000  # of buses a day


async def test_what_both_collect_while_events_come_is_what_was_earned(
    clients: list[httpx.AsyncClient],
) -> None:
    subject = unique("person")
    collect: Request = (f"/v1/people/{subject}/collect", None)
    rides = [("/v1/events", of_the_demo(a_bus_ride(subject=subject))) for _ in range(30)]

    answers = await in_turn(clients, [one for ride in rides for one in (ride, collect, collect)])
    last = await in_turn(clients, [collect])

    assert {one.status_code for one in answers} == {200, 201}
    earned = sum(one.json()["points"] for one in answers if one.status_code == 201)
    collected = sum(one.json()["points"] for one in (*answers, *last) if one.status_code == 200)
    assert collected == earned == 3_000
    assert last[0].json()["balance"] == earned


async def test_both_together_sell_no_more_trees_than_there_are(
    system: System, clients: list[httpx.AsyncClient]
) -> None:
    project = await a_project(system, clients[0], stock=10)
    people = await with_points(clients[1], 20)

    answers = await in_turn(
        clients, [("/v1/orders", {"project_id": project, "subject": one}) for one in people]
    )

    assert Counter(one.status_code for one in answers) == {201: 10, 409: 10}
    assert (await clients[0].get(f"/v1/projects/{project}")).json()["stock_left"] == 0


async def test_one_person_who_orders_at_both_at_once_pays_what_they_have(
    system: System, clients: list[httpx.AsyncClient]
) -> None:
    project = await a_project(system, clients[0], stock=10)
    (person,) = await with_points(clients[1], 1)
    order: Request = ("/v1/orders", {"project_id": project, "subject": person})

    answers = await in_turn(clients, [order] * 6)

    assert Counter(one.status_code for one in answers) == {201: 1, 409: 5}
    await system.assert_reconciled()

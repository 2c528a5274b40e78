"""A customer waits, is linked by consent, and is let go: nothing is lost, nothing counts twice."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from builders import (
    BATCH,
    NewSettings,
    SteppedClock,
    a_partner,
    a_token,
    an_event,
    an_order,
    catch_up,
    client_of,
    report,
    running_app,
    unique,
)
from fastapi import FastAPI

from service.partners.caller import OWN
from service.reconciliation.reconcile import is_quiet, reconcile
from service.totals.counters import Counters

WAITING_DAYS = 30


@dataclass
class Shop:
    """A partner with customers of its own, and its client."""

    name: str
    source: str
    client: httpx.AsyncClient

    def ride(self, customer: str, **changes: Any) -> dict[str, Any]:
        return an_event(source=self.source, subject=customer, **changes)

    async def code(self, customer: str, **more: str) -> dict[str, Any]:
        answer = await self.client.post("/v1/links", json={"customer": customer, **more})
        assert answer.status_code == 201, answer.text
        return answer.json()

    async def state(self, customer: str) -> dict[str, Any]:
        answer = await self.client.get("/v1/links", params={"customer": customer})
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def actions(self, customer: str) -> list[str]:
        answer = await self.client.get(f"/v1/people/{customer}/actions?limit=200")
        assert answer.status_code == 200, answer.text
        return [one["action_id"] for one in answer.json()["data"]]


@dataclass
class Person:
    """Somebody with a token."""

    subject: str
    client: httpx.AsyncClient

    async def link(self, shop: Shop, customer: str) -> dict[str, Any]:
        code = (await shop.code(customer))["code"]
        answer = await self.client.post("/v1/people/me/links", json={"code": code})
        assert answer.status_code == 201, answer.text
        return answer.json()

    async def end(self, link: dict[str, Any]) -> None:
        answer = await self.client.delete(f"/v1/people/me/links/{link['link_id']}")
        assert answer.status_code == 204, answer.text

    async def get(self, path: str = "") -> Any:
        answer = await self.client.get(f"/v1/people/me{path}")
        assert answer.status_code == 200, answer.text
        return answer.json()


NewShop = Callable[[], Awaitable[Shop]]
NewPerson = Callable[[], Person]


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack


async def a_shop(app: FastAPI, stack: AsyncExitStack) -> Shop:
    source = unique("shop")
    made = await a_partner(
        app.state.runtime.resources.sessions,
        sources=(source,),
        scopes=("events:write", "actions:read"),
        people=OWN,
    )
    return Shop(made.name, source, await stack.enter_async_context(client_of(app, made.key)))


@pytest.fixture
def new_shop(app: FastAPI, stack: AsyncExitStack) -> NewShop:
    return lambda: a_shop(app, stack)


@pytest.fixture
async def shop(new_shop: NewShop) -> Shop:
    return await new_shop()


@pytest.fixture
def new_person(app: FastAPI, home) -> NewPerson:
    def make() -> Person:
        subject = unique("person")
        return Person(subject, client_of(app, a_token(home, subject)))

    return make


@pytest.fixture
def ann(new_person: NewPerson) -> Person:
    return new_person()


async def assert_adds_up(app: FastAPI) -> None:
    resources = app.state.runtime.resources
    while not await is_quiet(resources.sessions):
        await catch_up(app)
    checks = await reconcile(resources.sessions, Counters(resources.valkey, resources.sessions))
    assert [check for check in checks if not check.holds] == []


async def test_what_waits_becomes_the_persons_and_what_comes_too(
    shop: Shop, ann: Person, clock: SteppedClock
) -> None:
    alice = unique("alice")
    waiting = await report(shop.client, shop.ride(alice))

    link = await ann.link(shop, alice)
    later = await report(shop.client, shop.ride(alice))
    before = await ann.get()
    clock.advance(hours=20)
    collected = (await ann.client.post("/v1/people/me/collect")).json()
    listed = [one["action_id"] for one in (await ann.get("/actions"))["data"]]

    assert (link["partner"], link["moved_points"]) == (shop.name, waiting["points"])
    assert (waiting["outcome"], later["outcome"]) == ("credited", "credited")
    assert before["points"]["ripening"] == waiting["points"] + later["points"]
    assert collected["points"] == waiting["points"] + later["points"]
    assert sorted(listed) == sorted((later["action_id"], waiting["action_id"]))
    assert int(before["carbon"]["avoided_mg"]) == int(waiting["avoided_mg"]) * 2
    assert await shop.actions(alice) == listed
    assert (await shop.state(alice))["linked"]


async def test_a_person_sees_what_they_agree_to_before_they_do(shop: Shop, ann: Person) -> None:
    asked = await shop.code(unique("alice"), scenario="orders without cutlery")
    typed = {"code": asked["code"].lower().replace("-", " ")}

    answer = await ann.client.post("/v1/people/me/links/preview", json=typed)
    shown = answer.json()
    links = (await ann.get("/links"))["data"]

    assert answer.status_code == 200, answer.text
    assert (shown["partner"], shown["scenario"]) == (shop.name, "orders without cutlery")
    assert shown["text_version"] == "1"
    assert shop.name in shown["text"]
    assert "orders without cutlery" in shown["text"]
    assert links == []


async def test_a_consent_is_kept_with_its_end(shop: Shop, ann: Person, clock: SteppedClock) -> None:
    link = await ann.link(shop, unique("alice"))
    (standing,) = (await ann.get("/links"))["data"]
    clock.advance(hours=1)
    await ann.end(link)
    again = await ann.client.delete(f"/v1/people/me/links/{link['link_id']}")
    (ended,) = (await ann.get("/links"))["data"]

    assert standing["ended_at"] is None
    assert standing == {**ended, "ended_at": None}
    assert ended["ended_at"] > ended["linked_at"]
    assert (again.status_code, again.json()["type"]) == (404, "/problems/link-not-found")


@pytest.mark.parametrize("path", ["/v1/people/me/links", "/v1/people/me/links/preview"])
async def test_a_code_ends_after_ten_minutes(
    shop: Shop, ann: Person, clock: SteppedClock, path: str
) -> None:
    code = (await shop.code(unique("alice")))["code"]
    clock.advance(minutes=10)

    answers = [await ann.client.post(path, json={"code": one}) for one in (code, "what")]

    for one in answers:
        assert (one.status_code, one.json()["type"]) == (404, "/problems/link-code-not-found")


async def test_one_customer_is_one_persons(shop: Shop, ann: Person, new_person: NewPerson) -> None:
    alice, ben = unique("alice"), new_person()
    code, other = [(await shop.code(alice))["code"] for _ in range(2)]

    async def accept(who: Person, code: str) -> httpx.Response:
        return await who.client.post("/v1/people/me/links", json={"code": code})

    answers = await asyncio.gather(*(accept(who, code) for who in (ann, ben)))
    winner, loser = (ann, ben) if answers[0].status_code == 201 else (ben, ann)
    repeated = [await accept(winner, one) for one in (code, other)]
    refused = [await accept(loser, one) for one in (code, other)]

    assert sorted(one.status_code for one in answers) == [201, 409]
    assert [one.status_code for one in repeated] == [200, 200]
    assert len({one.json()["link_id"] for one in repeated}) == 1
    assert {one.json()["type"] for one in refused} == {"/problems/customer-linked"}


async def test_one_person_has_many_customers(new_shop: NewShop, ann: Person) -> None:
    results = []
    for shop in [await new_shop(), await new_shop()]:
        customer = unique("alice")
        results.append(await report(shop.client, shop.ride(customer)))
        await ann.link(shop, customer)
    found = await ann.get()

    assert found["points"]["ripening"] == sum(one["points"] for one in results)
    assert found["carbon"]["actions"] == 2


async def test_after_the_end_events_wait_for_another_consent(
    shop: Shop, ann: Person, new_person: NewPerson
) -> None:
    alice, ben = unique("alice"), new_person()
    events = [shop.ride(alice) for _ in range(4)]
    first = [await report(shop.client, events[0])]
    link = await ann.link(shop, alice)
    first.append(await report(shop.client, events[1]))
    await ann.end(link)
    first.append(await report(shop.client, events[2]))
    waiting = (await ann.get())["points"]["ripening"]
    taken = await ben.link(shop, alice)
    first.append(await report(shop.client, events[3]))

    again = [await report(shop.client, event) for event in events]
    sums = [(await who.get())["points"]["ripening"] for who in (ann, ben)]

    assert [one["duplicate"] for one in first] == [False] * 4
    assert [(one["duplicate"], one["action_id"]) for one in again] == [
        (True, one["action_id"]) for one in first
    ]
    assert waiting == sums[0] == first[0]["points"] + first[1]["points"]
    assert taken["moved_points"] == first[2]["points"]
    assert sums[1] == first[2]["points"] + first[3]["points"]
    assert sorted(await shop.actions(alice)) == sorted(one["action_id"] for one in first)
    assert not (await shop.state(unique("nobody")))["linked"]


async def test_a_customer_of_another_number_shows_nothing_of_the_same_person(
    shop: Shop, ann: Person
) -> None:
    alice, alias = unique("alice"), unique("alias")
    for customer in (alice, alias):
        await ann.link(shop, customer)
    sent = {one: await report(shop.client, shop.ride(one)) for one in (alice, alias)}

    for customer, result in sent.items():
        assert await shop.actions(customer) == [result["action_id"]]


async def test_what_passes_a_cap_by_the_merge_lapses_with_that_reason(
    new_shop: NewShop, ann: Person
) -> None:
    sent: list[dict[str, Any]] = []
    for shop in [await new_shop(), await new_shop()]:
        customer = unique("alice")
        sent += [
            await report(shop.client, an_order(source=shop.source, subject=customer))
            for _ in range(4)
        ]
        link = await ann.link(shop, customer)
    (earning,) = (await ann.get(f"/statement?day={sent[0]['local_day']}"))["earnings"]
    given = sum(one["points"] for one in sent)

    assert link["lapsed_points"] > 0
    assert earning["points"] == given - link["lapsed_points"]
    assert earning["reported_elsewhere"] == 0
    parts = sorted(earning["through_links"], key=lambda part: part["lapsed"])
    assert [part["points"] + part["lapsed"] for part in parts] == [given // 2] * 2
    assert [part["lapsed"] for part in parts] == [0, link["lapsed_points"]]
    assert [part["cap"] for part in parts] == [None, "actions_per_day"]
    assert parts[1]["cap_said"]
    assert all(action["through_link"] for action in earning["actions"])


async def test_points_wait_for_thirty_days_after_the_first_and_then_lapse(
    shop: Shop, ann: Person, new_person: NewPerson, clock: SteppedClock
) -> None:
    alice, late = unique("alice"), unique("late")
    waiting = [await report(shop.client, shop.ride(one)) for one in (alice, late)]
    clock.advance(days=WAITING_DAYS - 1)
    in_time = await ann.link(shop, alice)
    collectable = (await ann.get())["points"]["collectable"]
    clock.advance(days=1)
    lapsed = (await ann.get())["points"]["lapsed"]
    too_late = await new_person().link(shop, late)

    assert in_time["moved_points"] == collectable == lapsed == waiting[0]["points"]
    assert (too_late["moved_points"], too_late["lapsed_points"]) == (0, 0)


@pytest.mark.parametrize("collected", [False, True])
async def test_a_reversal_takes_back_what_had_moved(
    shop: Shop, ann: Person, clock: SteppedClock, collected: bool
) -> None:
    alice = unique("alice")
    sent = [await report(shop.client, shop.ride(alice)) for _ in range(2)]
    await ann.link(shop, alice)
    if collected:
        clock.advance(hours=20)
        await ann.client.post("/v1/people/me/collect")

    path = f"/v1/actions/{sent[0]['action_id']}/reversal"
    undone = (await shop.client.post(path, json={"reason": "refund"})).json()
    points = (await ann.get())["points"]

    assert undone["points"] == sent[0]["points"]
    assert undone["from_balance" if collected else "from_earning"] == sent[0]["points"]
    assert points["balance" if collected else "ripening"] == sent[1]["points"]


async def test_a_reversal_takes_no_more_than_had_moved(
    new_shop: NewShop, ann: Person, clock: SteppedClock
) -> None:
    """What a cap let lapse by the merge is gone; what moved from elsewhere stays the person's."""
    sent, moved = [], []
    for shop in [await new_shop(), await new_shop()]:
        customer = unique("alice")
        for _ in range(4):
            order = an_order(source=shop.source, subject=customer)
            sent.append((shop, await report(shop.client, order)))
        moved.append((await ann.link(shop, customer))["moved_points"])

    for shop, result in sent[4:]:
        path = f"/v1/actions/{result['action_id']}/reversal"
        await shop.client.post(path, json={"reason": "refund"})

    assert moved[1] < sum(result["points"] for _, result in sent[4:])
    assert (await ann.get())["points"]["ripening"] == moved[0]


async def test_two_partners_know_a_person_by_two_names(
    new_shop: NewShop, ann: Person, partner: httpx.AsyncClient
) -> None:
    customer = unique("same")
    shops = [await new_shop(), await new_shop()]
    names = [(await shop.code(customer))["person"] for shop in shops]
    for shop in shops:
        await ann.link(shop, customer)
    linked = [(await shop.state(customer))["person"] for shop in shops]
    seen = (await partner.get(f"/v1/people/{ann.subject}")).json()["person"]
    own = (await ann.get())["person"]

    assert linked == names
    assert len({*names, seen, own}) == 4


@pytest.fixture
async def two_processes(new_settings: NewSettings, stack: AsyncExitStack) -> list[FastAPI]:
    """Two applications over one database: each has hints of its own."""
    settings = await new_settings()
    return [await stack.enter_async_context(running_app(settings, SteppedClock())) for _ in "12"]


def other_client(shop: Shop, app: FastAPI) -> httpx.AsyncClient:
    return client_of(app, shop.client.headers["authorization"].partition(" ")[2])


async def test_processes_with_stale_hints_record_each_event_once(
    two_processes: list[FastAPI], stack: AsyncExitStack, home
) -> None:
    """Events by both processes while a customer is linked and let go, again and again."""
    one, two = two_processes
    shop = await a_shop(one, stack)
    alice, sent, stopping = unique("alice"), list[dict[str, Any]](), asyncio.Event()
    people = [Person(name, client_of(two, a_token(home, name))) for name in ("ann", "ben")]

    async def flood(client: httpx.AsyncClient) -> None:
        while not stopping.is_set():
            events = [shop.ride(alice) for _ in range(3)]
            sent.extend(events)
            for _ in range(2):  # each event twice, by whatever route stands then
                answer = await client.post("/v1/events", json=events, headers=BATCH)
                assert answer.status_code == 200, answer.text
                assert not answer.json()["counts"].get("problem"), answer.text

    floods = [
        asyncio.create_task(flood(client)) for client in (shop.client, other_client(shop, two))
    ]
    for number in range(6):
        who = people[number % 2]
        link = await who.link(shop, alice)
        await shop.client.post("/v1/events", json=[shop.ride(unique("alice"))], headers=BATCH)
        await who.end(link)
    stopping.set()
    await asyncio.gather(*floods)
    again = []
    for at in range(0, len(sent), 500):
        answer = await shop.client.post("/v1/events", json=sent[at : at + 500], headers=BATCH)
        again += answer.json()["results"]

    async with one.state.runtime.resources.pool.acquire() as connection:
        rows = await connection.fetch("SELECT event_id, person_id FROM action")
    recorded = Counter(row["event_id"] for row in rows)
    assert {event["id"] for event in sent} <= set(recorded)
    assert set(recorded.values()) == {1}
    assert all(result["duplicate"] for result in again)
    await assert_adds_up(one)


async def test_a_link_is_forgotten_by_other_processes_soon(
    two_processes: list[FastAPI], stack: AsyncExitStack, home
) -> None:
    one, two = two_processes
    shop = await a_shop(one, stack)
    alice, ann = unique("alice"), Person("ann", client_of(one, a_token(home, "ann")))
    link = await ann.link(shop, alice)
    await report(other_client(shop, two), shop.ride(alice))
    hints = two.state.runtime.routes
    customer = two.state.runtime.hasher.person(f"{shop.name}\0{alice}")
    known = hints.of(customer)
    await ann.end(link)

    async with asyncio.timeout(10):
        while hints.of(customer) is not None:  # noqa: ASYNC110  (another process tells, not we)
            await asyncio.sleep(0.01)

    assert known is not None
    assert str(known.link_id) == link["link_id"]
    await assert_adds_up(one)

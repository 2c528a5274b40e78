"""Any order of what people, friends, partners and time do, against one plain model.

Events, repeats, conflicts, reversals and debt; collecting, lapsing, gifts, taking and shields;
orders, refunds, pools and lots.
"""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import combinations, permutations
from typing import Any, TypeVar

import httpx
import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal
from builders import (
    BATCH,
    LEAVE_OUT,
    NOW,
    SINGLE,
    SteppedClock,
    a_bike_ride,
    a_box,
    a_bus_ride,
    a_partner,
    a_ride,
    an_invoice,
    an_order,
    catch_up,
    client_of,
    running_app,
    unique,
)
from fastapi import FastAPI
from flow_clients import Event
from flow_forest import CHINA, Forest
from flow_ledger import Action, Ledger, load_rules
from flow_system import summed
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from soak import examples

from methodologies.catalogue import load_catalogue
from service.points.policy import POLICY_FILE
from service.reconciliation.reconcile import PointSums, reconcile, sum_points
from service.settings import Settings
from service.totals.counters import Counters
from workers.lapse import lapse_points
from workers.pools import end_pools

T = TypeVar("T")
SOURCES = ("metro", "bus", "bike", "eats", "mall", "parcel")
PEOPLE = ("ann", "ben", "cai")
PRICE, STOCK, DAILY, POOL_DAYS = 300, 4, 200, 6
SEASONS = ((date(2026, 6, 15), date(2026, 6, 20)), (date(2026, 6, 25), date(2026, 6, 30)))
WINDOWS = [{"from": f"{first:%m-%d}", "to": f"{last:%m-%d}"} for first, last in SEASONS]
DAYS_AGO = (0, 0, 0, 1, 2, 5, 15, 31)
HOURS = (1, 20, 24, 80)
# Small and large sizes: the large ones are what reaches caps and limits, and 0.1 km is refused.
SIZES: tuple[tuple[Any, str, tuple[object, ...]], ...] = (
    (a_ride, "distance_km", ("0.1", "12.4", "60")),
    (a_bus_ride, "distance_km", ("6", "40")),
    (a_bike_ride, "distance_km", ("0.1", "3.2", "30")),
    (an_order, "sets", (1, 5)),
    (an_invoice, "invoices", (1,)),
    (a_box, "boxes", (1, 10)),
)
CLAIMS = {
    a_ride: "trip_id", a_bus_ride: "trip_id", a_bike_ride: "trip_id",
    an_order: "order_id", an_invoice: "invoice_id", a_box: "dropoff_id",
}  # fmt: skip
# A claim is None, for one of its own, or one of a few that others report, too.
reports = st.tuples(
    st.sampled_from([(make, name, size) for make, name, sizes in SIZES for size in sizes]),
    st.sampled_from(PEOPLE),
    st.sampled_from(DAYS_AGO),
    st.sampled_from([None, None, None, "one", "two"]),
    st.sampled_from([LEAVE_OUT, LEAVE_OUT, LEAVE_OUT, "L0"]),
)
pairs = st.sampled_from(list(permutations(PEOPLE, 2)))
pours = st.tuples(st.sampled_from(PEOPLE), st.sampled_from((100, 200, 300)), st.booleans())


@dataclass(slots=True)
class Served:
    """The application, in a thread of its own."""

    portal: BlockingPortal
    app: FastAPI
    client: httpx.AsyncClient
    admin: httpx.AsyncClient
    clock: SteppedClock

    def get(self, path: str) -> dict[str, Any]:
        (body,) = self.get_all([path])
        return body

    def get_all(self, paths: Sequence[str]) -> list[dict[str, Any]]:
        """What is there now, at each of them."""

        async def ask() -> list[httpx.Response]:
            return await asyncio.gather(*map(self.client.get, paths))

        answers = self.call(ask)
        assert all(one.status_code == 200 for one in answers), [one.text for one in answers]
        return [one.json() for one in answers]

    def post(self, path: str, **body: object) -> httpx.Response:
        return self.portal.call(lambda: self.client.post(path, **body))

    def administer(self, path: str, body: dict[str, Any]) -> httpx.Response:
        """As an operator."""
        return self.call(lambda: self.admin.post(path, json=body))

    def call(self, work: Callable[[], Awaitable[T]]) -> T:
        return self.portal.call(work)

    def work(self, job: Callable[[dict[str, Any]], Awaitable[T]]) -> T:
        """One run of a worker's job."""
        return self.portal.call(job, {"resources": self.app.state.runtime.resources})

    def liability(self) -> dict[str, Any]:
        answer = self.call(lambda: self.admin.get("/v1/admin/liability"))
        body: dict[str, Any] = answer.raise_for_status().json()
        return body

    def point_sums(self) -> PointSums:
        async def look() -> PointSums:
            async with self.app.state.runtime.resources.sessions() as session:
                return await sum_points(session)

        return self.call(look)

    def totals(self) -> dict[str, Any]:
        """The public totals when all is counted."""
        self.portal.call(catch_up, self.app)
        return summed(self.get("/v1/totals"))

    def broken_rules(self) -> list[str]:
        resources = self.app.state.runtime.resources
        counters = Counters(resources.valkey, resources.sessions)
        checks = self.portal.call(reconcile, resources.sessions, counters)
        return [f"{check.rule}: {check.shown}" for check in checks if not check.holds]


@contextmanager
def served(settings: Settings) -> Iterator[Served]:
    clock = SteppedClock()
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(running_app(settings, clock)) as app,
    ):
        sessions = app.state.runtime.resources.sessions
        partner = portal.call(lambda: a_partner(sessions, sources=SOURCES))
        operator = portal.call(lambda: a_partner(sessions, scopes=("admin",)))
        with (
            portal.wrap_async_context_manager(client_of(app, partner.key)) as client,
            portal.wrap_async_context_manager(client_of(app, operator.key)) as admin,
        ):
            yield Served(portal, app, client, admin, clock)


class EverythingMachine(RuleBasedStateMachine):
    """Each rule does something and compares the answer; after each, all that can be seen is
    compared with the model."""

    def __init__(self, served: Served, model: Ledger) -> None:
        super().__init__()
        self.served = served
        self.model = model
        self.forest = Forest(
            model, PRICE, stock=STOCK, daily=DAILY, pool_days=POOL_DAYS, seasons=SEASONS
        )
        self.run = unique("run")
        self._settle_earlier_runs()
        self.before = served.totals()
        self.sums_before = served.point_sums()
        self.liability_before = served.liability()
        self.friendships: dict[frozenset[str], str] = {}
        self.order_ids: list[str] = []
        self.pool: dict[str, Any] = {}

    @property
    def now(self) -> datetime:
        return self.served.clock.now

    @initialize(data=st.lists(reports, min_size=1, max_size=3))
    def begin(self, data: list[Any]) -> None:
        self._offer_trees()
        for one, other in combinations(PEOPLE, 2):
            first, second = self._subject(one), self._subject(other)
            asked = self.served.post(f"/v1/people/{first}/friends", json={"subject": second}).json()
            friendship = self.friendships[frozenset((one, other))] = asked["friendship_id"]
            path = f"/v1/people/{second}/friends/{friendship}/accept"
            self.served.post(path).raise_for_status()
        for person in PEOPLE:
            self.grant(person, 2 * PRICE)
        for report in data:
            self.report(report)

    @rule(report=reports)
    def report(self, report: Any) -> None:
        self._send(self._event(report))

    @rule(report=reports, count=st.integers(2, 25))
    def report_many(self, report: Any, count: int) -> None:
        """A batch of one person's events, the last of them twice."""
        events = [self._event(report) for _ in range(count)]
        events.append(events[-1])
        expected = [self.model.report(event, self.now) for event in events]

        answer = self.served.post("/v1/events", json=events, headers=BATCH)

        assert answer.status_code == 200, answer.text
        for event, result, wanted in zip(events, answer.json()["results"], expected, strict=True):
            self._assert_outcome(event, result, wanted)

    @precondition(lambda self: self._actions())
    @rule(data=st.data(), scope=st.sampled_from([None, "3"]))
    def repeat(self, data: st.DataObject, scope: str | None) -> None:
        """The same event again, as it was or with other content."""
        event = data.draw(st.sampled_from(self._actions())).event
        if scope is None:
            self._send(event)
            return
        changed = {**event, "scope": scope}
        assert self.model.report(changed, self.now) == {"conflict": True}

        answer = self.served.post("/v1/events", json=changed, headers=SINGLE)

        assert answer.status_code == 409, answer.text

    @precondition(lambda self: self._actions())
    @rule(data=st.data(), reason=st.sampled_from(["refund", "refund", "fraud"]))
    def reverse(self, data: st.DataObject, reason: str) -> None:
        action = data.draw(st.sampled_from(self._actions()))
        again = action.reversal is not None
        wanted = self.model.reverse(action, reason, self.now)
        path = f"/v1/actions/{action.answer['action_id']}/reversal"

        answer = self.served.post(path, json={"reason": reason})

        if wanted is None:
            assert answer.status_code == (409 if again else 422), answer.text
        else:
            assert answer.status_code == (200 if again else 201), answer.text
            result = answer.json()
            assert {name: result[name] for name in wanted} == wanted

    @rule(subject=st.sampled_from(PEOPLE))
    def collect(self, subject: str) -> None:
        who = self._subject(subject)
        wanted = self.model.collect(who, self.now)

        collected = self.served.post(f"/v1/people/{who}/collect").raise_for_status().json()

        assert {name: collected[name] for name in wanted} == wanted

    @rule(pair=pairs, points=st.sampled_from([10, 66]))
    def water(self, pair: tuple[str, str], points: int) -> None:
        giver, friend = map(self._subject, pair)
        problem = self.model.water(giver, friend, points, self.now.astimezone(CHINA).date())

        _assert_problem(self._care(pair, "water", {"points": points}), problem)

    @rule(pair=pairs)
    def take(self, pair: tuple[str, str]) -> None:
        taker, owner = map(self._subject, pair)
        wanted = self.model.take(taker, owner, self.now)

        _assert_points(self._care(pair, "take", {}), "points", wanted)

    @rule(person=st.sampled_from(PEOPLE))
    def shield(self, person: str) -> None:
        who = self._subject(person)
        problem = self.model.shield(who, self.now)

        _assert_problem(self.served.post(f"/v1/people/{who}/shield"), problem)

    @rule(person=st.sampled_from(PEOPLE), points=st.just(PRICE))
    def grant(self, person: str, points: int) -> None:
        who = self._subject(person)
        self.model.grant(who, points)

        body = {"points": points, "reason": "a test"}
        _assert_problem(self.served.administer(f"/v1/people/{who}/grants", body), None)

    @rule(person=st.sampled_from(PEOPLE))
    def order(self, person: str) -> None:
        who = self._subject(person)
        problem = self.forest.order(who, self.now)

        answer = self._plant("/v1/orders", person, project_id=self.project)

        _assert_problem(answer, problem)
        if problem is None:
            self.order_ids.append(answer.json()["order_id"])

    @precondition(lambda self: self.order_ids)
    @rule(data=st.data())
    def refund(self, data: st.DataObject) -> None:
        number = data.draw(st.sampled_from(range(len(self.order_ids))))
        problem = self.forest.refund(self.forest.orders[number])

        answer = self.served.post(f"/v1/orders/{self.order_ids[number]}/refund")

        _assert_problem(answer, problem)

    @rule(pours=st.lists(pours, min_size=1, max_size=3))
    def pour(self, pours: list[tuple[str, int, bool]]) -> None:
        """Into the pool, which the first one founds if none runs; others may join just before."""
        if not self._has_running_pool():
            self._found_pool(pours[0][0])
        for person, points, joins in pours if self.pool else ():
            who = self._subject(person)
            if joins:
                problem = self.forest.join(who, self.now)
                answer = self._plant("/v1/pools/join", person, code=self.pool["code"])
                _assert_problem(answer, problem)
            wanted = self.forest.pour(who, points, self.now)
            path = f"/v1/pools/{self.pool['pool_id']}/contributions"
            _assert_points(self._plant(path, person, points=points), "taken", wanted)

    @precondition(lambda self: self.pool)
    @rule(data=st.data())
    def leave_pool(self, data: st.DataObject) -> None:
        """A member leaves, or the first of all people, who may be none."""
        who = data.draw(st.sampled_from([self._subject(PEOPLE[0]), *self.forest.pools[-1].held]))
        wanted = self.forest.leave(who, self.now)

        path = f"/v1/pools/{self.pool['pool_id']}/leave"
        _assert_points(self.served.post(path, json={"subject": who}), "returned", wanted)

    @precondition(lambda self: self.order_ids or self.pool)
    @rule()
    def fund(self) -> None:
        problem = self.forest.fund()
        number = len(self.forest.lots) - (problem is None)

        _assert_problem(self.served.administer(f"{self._lot(number)}/fund", {}), problem)

    @precondition(lambda self: len(self.forest.lots) > 1)
    @rule(data=st.data(), lives=st.integers(0, 3))
    def report_lot(self, data: st.DataObject, lives: int) -> None:
        number = data.draw(st.integers(0, len(self.forest.lots) - 2))
        lot_report = self.forest.report(number, lives)
        if lot_report is None:
            return

        on = self.now.astimezone(CHINA).date().isoformat()
        body = {**lot_report, "on": on, "by": "somebody", "note": unique("note")}
        answer = self.served.administer(f"{self._lot(number + 1)}/reports", body)

        _assert_problem(answer, None)

    @rule()
    def work(self) -> None:
        """The worker marks lapses, which statements say already, and ends pools; both once."""
        self.forest.end_pools(self.now)
        self.served.work(lapse_points)
        assert self.served.work(lapse_points) == 0
        for _ in range(2):
            self.served.work(end_pools)

        people = self.model.people.values()
        earnings = [one for person in people for one in person.earnings.values()]
        for one in earnings:
            one.lapse(self.now)
        marked = self.served.point_sums().lapsed - self.sums_before.lapsed
        assert marked == sum(one.lapsed for one in earnings)

    @rule(hours=st.sampled_from(HOURS))
    def wait(self, hours: int) -> None:
        self.served.clock.advance(hours=hours)

    @invariant()
    def every_point_is_where_the_model_has_it(self) -> None:
        sums, before = self.served.point_sums(), self.sums_before
        assert sums.add_up, sums
        assert {
            "issued": sums.issued - before.issued,
            "balance": sums.balance - before.balance,
            "not_collected": sums.uncollected + sums.lapsed - before.uncollected - before.lapsed,
            "spent": sums.spent - before.spent,
            "reversed": sums.reversed - before.reversed,
        } == self.model.sums()

    @invariant()
    def statements_and_trees_are_those_of_the_model(self) -> None:
        if not self.friendships:
            return
        people = [self._subject(person) for person in PEOPLE]
        paths = [*(f"/v1/people/{who}" for who in people), f"/v1/projects/{self.project}"]
        *statements, found = self.served.get_all(paths)
        for who, statement in zip(people, statements, strict=True):
            flat = {**statement["points"], **statement["carbon"]}
            wanted = self.model.statement(who, self.now)
            assert {name: flat[name] for name in wanted} == wanted
            assert statement["trees"] == self.forest.figures_of(who, is_shared=False)
            assert statement["shared_trees"] == self.forest.figures_of(who, is_shared=True)
        assert found["trees"] == self.forest.figures()
        assert found["stock_left"] == STOCK - self.forest.sold()

    @invariant()
    def a_second_goes_by(self) -> None:
        self.served.clock.advance(seconds=1)

    def teardown(self) -> None:
        if sys.exc_info()[0] is not None:  # a rule has failed already: that is what to show
            return
        after, wanted = self.served.totals(), self.model.totals()
        assert {name: after[name] - self.before[name] for name in wanted} == wanted
        liability = self.served.liability()
        for name, points in self._promised().items():
            assert liability[name] - self.liability_before[name] == points
        for person in PEOPLE:
            who = self._subject(person)
            entries = self.served.get(f"/v1/people/{who}/entries?limit=200")["data"]
            assert [row["points"] for row in entries][::-1] == self.model.person(who).entries
        assert self.served.broken_rules() == []

    def _promised(self) -> dict[str, int]:
        """Points that may still be spent."""
        people = self.model.people.values()
        ripe = [one for who in people for one in who.earnings.values() if one.lapses_at > self.now]
        return {
            "balance_points": sum(max(0, who.balance) for who in people) + self.forest.pooled(),
            "uncollected_points": sum(one.left() for one in ripe),
        }

    def _offer_trees(self) -> None:
        self.project = unique("grove")
        kind = {
            "species": self.project, "scientific_name": "Haloxylon ammodendron",
            "local_name": "梭梭", "english_name": "Saxaul", "price_points": PRICE,
            "price_source": "a test",
        }  # fmt: skip
        _assert_problem(self.served.administer("/v1/admin/species", kind), None)
        offer = {
            "project_id": self.project, "name": "Saxaul", "species": self.project,
            "place": "Alxa League", "region": "CN-NM", "planting_partner": "somebody",
            "opens_on": str(NOW.date()), "closes_on": str(NOW.date() + timedelta(days=365)),
            "seasons": WINDOWS, "stock": STOCK,
        }  # fmt: skip
        _assert_problem(self.served.administer("/v1/admin/projects", offer), None)

    def _settle_earlier_runs(self) -> None:
        """What nobody collects any more lapses, so that no later rule moves it."""
        self.served.clock.now = NOW + timedelta(days=365)
        self.served.work(lapse_points)
        self.served.work(end_pools)
        self.served.clock.now = NOW

    def _care(self, pair: tuple[str, str], what: str, body: dict[str, Any]) -> httpx.Response:
        friendship = self.friendships[frozenset(pair)]
        who = self._subject(pair[0])
        return self.served.post(f"/v1/people/{who}/friends/{friendship}/{what}", json=body)

    def _plant(self, path: str, person: str, **body: object) -> httpx.Response:
        headers = {"Idempotency-Key": unique("key")}
        whole = {"subject": self._subject(person), **body}
        return self.served.post(path, json=whole, headers=headers)

    def _found_pool(self, person: str) -> None:
        problem = self.forest.found(self._subject(person), self.now)
        answer = self._plant(
            "/v1/pools", person, project_id=self.project, name="Ours", daily_points=DAILY,
            days=POOL_DAYS,
        )  # fmt: skip
        _assert_problem(answer, problem)
        if problem is None:
            self.pool = answer.json()

    def _lot(self, number: int) -> str:
        return f"/v1/admin/lots/{self.project}-{number:03}"

    def _has_running_pool(self) -> bool:
        pools = self.forest.pools
        return bool(pools) and pools[-1].state == "open" and self.now < pools[-1].expires_at

    def _event(self, report: Any) -> Event:
        (make, name, size), person, days_ago, claim, level = report
        shared = {} if claim is None else {CLAIMS[make]: f"{self.run}-{claim}"}
        at = (self.now - timedelta(days=days_ago)).astimezone(CHINA)
        event: Event = make(
            {name: size, **shared},
            subject=self._subject(person),
            time=at.isoformat(),
            evidencelevel=level,
        )
        return event

    def _subject(self, person: str) -> str:
        return f"{self.run}-{person}"

    def _actions(self) -> list[Action]:
        return [a for person in self.model.people.values() for a in person.actions.values()]

    def _send(self, event: Event) -> None:
        wanted = self.model.report(event, self.now)

        answer = self.served.post("/v1/events", json=event, headers=SINGLE)

        assert answer.status_code == (200 if wanted["duplicate"] else 201), answer.text
        self._assert_outcome(event, answer.json(), wanted)

    def _assert_outcome(self, event: Event, result: dict[str, Any], wanted: dict[str, Any]) -> None:
        action = self.model.person(event["subject"]).actions[event["source"], event["id"]]
        action.answer.setdefault("action_id", result["action_id"])
        ripens_at = result["ripens_at"] and datetime.fromisoformat(result["ripens_at"])
        seen = {**result, "ripens_at": ripens_at}
        assert {name: seen[name] for name in wanted} == wanted
        assert result["action_id"] == action.answer["action_id"]


def _assert_problem(answer: httpx.Response, problem: str | None) -> None:
    """The answer is this problem; a success for None."""
    found = None if answer.is_success else answer.json()["type"].removeprefix("/problems/")
    assert found == problem, answer.text


def _assert_points(answer: httpx.Response, name: str, wanted: int | str) -> None:
    """The answer says so many points, or is the problem of that name."""
    _assert_problem(answer, wanted if isinstance(wanted, str) else None)
    if isinstance(wanted, int):
        assert answer.json()[name] == wanted


@pytest.fixture
async def own_settings(new_settings) -> Settings:
    return await new_settings()


@pytest.mark.timeout(240)
def test_everything_is_as_in_the_model(own_settings: Settings) -> None:
    catalogue = load_catalogue()
    policies = load_rules(POLICY_FILE.read_text())

    with served(own_settings) as running:
        run_state_machine_as_test(
            lambda: EverythingMachine(running, Ledger(catalogue, policies)),
            settings=settings(
                max_examples=examples(8),
                stateful_step_count=24,
                phases=[Phase.reuse, Phase.generate],  # making it smaller would take minutes
                suppress_health_check=list(HealthCheck),
            ),
        )

"""Any order of events, repeats, conflicts, reversals, collects and time against a plain model."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

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
from flow_ledger import Action, Ledger, load_rules
from flow_system import summed
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from methodologies.catalogue import load_catalogue
from service.points.policy import POLICY_FILE
from service.settings import Settings
from service.totals.counters import Counters
from service.totals.reconcile import reconcile
from workers.lapse import lapse_points

CHINA = timezone(timedelta(hours=8))
SOURCES = ("metro", "bus", "bike", "eats", "mall", "parcel")
PEOPLE = ("ann", "ben")
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


@dataclass(slots=True)
class Served:
    """The application, in a thread of its own."""

    portal: BlockingPortal
    app: FastAPI
    client: httpx.AsyncClient
    admin: httpx.AsyncClient
    clock: SteppedClock

    def get(self, path: str) -> dict[str, Any]:
        answer = self.portal.call(self.client.get, path)
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.json()
        return body

    def post(self, path: str, **body: object) -> httpx.Response:
        return self.portal.call(lambda: self.client.post(path, **body))

    def totals(self) -> dict[str, Any]:
        """The public totals when all is counted."""
        self.portal.call(catch_up, self.app)
        return summed(self.get("/v1/totals"))

    def broken_rules(self) -> list[str]:
        resources = self.app.state.resources
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
        sessions = app.state.resources.sessions
        partner = portal.call(lambda: a_partner(sessions, sources=SOURCES))
        operator = portal.call(lambda: a_partner(sessions, scopes=("admin",)))
        with (
            portal.wrap_async_context_manager(client_of(app, partner.key)) as client,
            portal.wrap_async_context_manager(client_of(app, operator.key)) as admin,
        ):
            yield Served(portal, app, client, admin, clock)


class LedgerMachine(RuleBasedStateMachine):
    """Each rule does something, and compares the answer and the statement with the model's."""

    def __init__(self, served: Served, model: Ledger) -> None:
        super().__init__()
        self.served = served
        self.model = model
        self.run = unique("run")
        self.served.clock.now = NOW
        self.before = served.totals()

    @property
    def now(self) -> datetime:
        return self.served.clock.now

    @initialize(data=st.lists(reports, min_size=1, max_size=3))
    def begin(self, data: list[Any]) -> None:
        ann, ben = (self._subject(person) for person in PEOPLE)
        asked = self.served.post(f"/v1/people/{ann}/friends", json={"subject": ben}).json()
        self.friendship = asked["friendship_id"]
        path = f"/v1/people/{ben}/friends/{self.friendship}/accept"
        self.served.post(path).raise_for_status()
        for one in data:
            self.report(one)

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
            self._assert_told(event, result, wanted)
        self._assert_statement(events[0]["subject"])

    @precondition(lambda self: self._actions())
    @rule(data=st.data())
    def repeat(self, data: st.DataObject) -> None:
        self._send(data.draw(st.sampled_from(self._actions())).event)

    @precondition(lambda self: self._actions())
    @rule(data=st.data())
    def conflict(self, data: st.DataObject) -> None:
        event = data.draw(st.sampled_from(self._actions())).event
        changed = {**event, "scope": "3"}
        assert self.model.report(changed, self.now) == {"conflict": True}

        answer = self.served.post("/v1/events", json=changed, headers=SINGLE)

        assert answer.status_code == 409, answer.text
        self._assert_statement(event["subject"])

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
            told = answer.json()
            assert {name: told[name] for name in wanted} == wanted
        self._assert_statement(action.event["subject"])
        self._later()

    @rule(subject=st.sampled_from(PEOPLE))
    def collect(self, subject: str) -> None:
        who = self._subject(subject)
        wanted = self.model.collect(who, self.now)

        told = self.served.post(f"/v1/people/{who}/collect").raise_for_status().json()

        assert {name: told[name] for name in wanted} == wanted
        self._assert_statement(who)
        self._later()

    @rule(person=st.sampled_from(PEOPLE), points=st.sampled_from([10, 66]))
    def water(self, person: str, points: int) -> None:
        giver, friend = self._pair(person)
        today = self.now.astimezone(CHINA).date()
        problem = self.model.water(giver, friend, points, today)

        answer = self._care(giver, "water", {"points": points})

        self._assert_problem(answer, problem)
        self._later()

    @rule(person=st.sampled_from(PEOPLE))
    def take(self, person: str) -> None:
        taker, owner = self._pair(person)
        wanted = self.model.take(taker, owner, self.now)

        answer = self._care(taker, "take", {})

        self._assert_problem(answer, wanted if isinstance(wanted, str) else None)
        if isinstance(wanted, int):
            assert answer.json()["points"] == wanted
        self._later()

    @rule(person=st.sampled_from(PEOPLE))
    def shield(self, person: str) -> None:
        who = self._subject(person)
        problem = self.model.shield(who, self.now)

        self._assert_problem(self.served.post(f"/v1/people/{who}/shield"), problem)
        self._later()

    @rule(person=st.sampled_from(PEOPLE))
    def grant(self, person: str) -> None:
        who = self._subject(person)
        self.model.grant(who, 100)

        body = {"points": 100, "reason": "a test"}
        path = f"/v1/people/{who}/grants"
        granted = self.served.portal.call(lambda: self.served.admin.post(path, json=body))
        self._assert_problem(granted, None)
        self._later()

    @rule()
    def lapse(self) -> None:
        """The worker marks what the statements say already; once."""
        ctx = {"resources": self.served.app.state.resources}
        self.served.portal.call(lapse_points, ctx)
        assert self.served.portal.call(lapse_points, ctx) == 0
        for person in PEOPLE:
            self._assert_statement(self._subject(person))

    @rule(hours=st.sampled_from(HOURS))
    def wait(self, hours: int) -> None:
        self.served.clock.advance(hours=hours)
        for person in PEOPLE:
            self._assert_statement(self._subject(person))

    def teardown(self) -> None:
        if sys.exc_info()[0] is not None:  # a rule has failed already: that is what to show
            return
        after, wanted = self.served.totals(), self.model.totals()
        assert {name: after[name] - self.before[name] for name in wanted} == wanted
        for person in PEOPLE:
            who = self._subject(person)
            entries = self.served.get(f"/v1/people/{who}/entries?limit=200")["data"]
            assert [row["points"] for row in entries][::-1] == self.model.person(who).entries
        assert self.served.broken_rules() == []

    def _pair(self, person: str) -> tuple[str, str]:
        """A person, and the friend."""
        other = next(one for one in PEOPLE if one != person)
        return self._subject(person), self._subject(other)

    def _care(self, who: str, what: str, body: dict[str, Any]) -> httpx.Response:
        return self.served.post(f"/v1/people/{who}/friends/{self.friendship}/{what}", json=body)

    def _assert_problem(self, answer: httpx.Response, problem: str | None) -> None:
        if problem is None:
            assert answer.is_success, answer.text
        else:
            assert answer.json()["type"] == f"/problems/{problem}"
        for person in PEOPLE:
            self._assert_statement(self._subject(person))

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

    def _later(self) -> None:
        """A second goes by before whatever is next."""
        self.served.clock.advance(seconds=1)

    def _send(self, event: Event) -> None:
        wanted = self.model.report(event, self.now)

        answer = self.served.post("/v1/events", json=event, headers=SINGLE)

        assert answer.status_code == (200 if wanted["duplicate"] else 201), answer.text
        self._assert_told(event, answer.json(), wanted)
        self._assert_statement(event["subject"])

    def _assert_told(self, event: Event, told: dict[str, Any], wanted: dict[str, Any]) -> None:
        action = self.model.person(event["subject"]).actions[event["source"], event["id"]]
        action.answer.setdefault("action_id", told["action_id"])
        ripens_at = told["ripens_at"] and datetime.fromisoformat(told["ripens_at"])
        seen = {**told, "ripens_at": ripens_at}
        assert {name: seen[name] for name in wanted} == wanted
        assert told["action_id"] == action.answer["action_id"]

    def _assert_statement(self, subject: str) -> None:
        told = self.served.get(f"/v1/people/{subject}")
        flat = {**told["points"], **told["carbon"]}
        wanted = self.model.statement(subject, self.now)
        assert {name: flat[name] for name in wanted} == wanted


@pytest.fixture
async def own_settings(new_settings) -> Settings:
    return await new_settings()


def test_answers_balances_and_totals_are_those_of_the_model(own_settings: Settings) -> None:
    catalogue = load_catalogue()
    policies = load_rules(POLICY_FILE.read_text())

    with served(own_settings) as running:
        run_state_machine_as_test(
            lambda: LedgerMachine(running, Ledger(catalogue, policies)),
            settings=settings(
                max_examples=8,
                stateful_step_count=25,
                phases=[Phase.reuse, Phase.generate],  # making it smaller would take minutes
                deadline=None,
                derandomize="CI" in os.environ,
                suppress_health_check=list(HealthCheck),
            ),
        )

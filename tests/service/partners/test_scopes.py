"""What a key may do: the table of scopes, from both sides."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest
from builders import SOURCES, a_partner, an_event, client_of, report, unique
from fastapi import FastAPI

from service.partners.caller import ACT, AUDITOR, OWN, PROGRAMME, Caller
from service.partners.keys import SCOPES


def a_caller(*scopes: str, people: str = PROGRAMME) -> Caller:
    return Caller("partner:p", "p", frozenset(scopes), frozenset(), "L1", "L1", people=people)


@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize("people", [OWN, PROGRAMME])
def test_a_key_may_what_its_scope_says(scope: str, people: str) -> None:
    works = scope != ACT or people == PROGRAMME

    assert a_caller(scope, people=people).may(scope) is works
    assert not a_caller(*(set(SCOPES) - {scope, "admin"}), people=people).may(scope)


def test_an_administrator_holds_all_but_the_auditors_scope() -> None:
    assert {scope for scope in SCOPES if a_caller("admin").may(scope)} == set(SCOPES) - {AUDITOR}
    assert not a_caller("admin", people=OWN).may(ACT)


@pytest.fixture
async def speaks(app: FastAPI) -> AsyncIterator[Callable[..., Any]]:
    """Makes a client of a partner with these scopes."""
    clients: list[httpx.AsyncClient] = []

    async def make(*scopes: str, **about: Any) -> httpx.AsyncClient:
        made = await a_partner(app.state.runtime.resources.sessions, scopes=scopes, **about)
        clients.append(client_of(app, made.key))
        return clients[-1]

    yield make
    for client in clients:
        await client.aclose()


def of_problem(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["type"].rpartition("/")[2]


async def test_a_partner_with_own_customers_acts_for_nobody(speaks: Callable[..., Any]) -> None:
    for scopes in (("people:act",), ("admin",)):
        client = await speaks(*scopes, people=OWN)

        answer = await client.post(f"/v1/people/{unique('person')}/collect")

        assert of_problem(answer) == (403, "person-not-yours")
        assert "people: own" in answer.json()["detail"]


async def test_an_auditor_reads_everything_about_carbon_and_changes_nothing(
    partner: httpx.AsyncClient, speaks: Callable[..., Any]
) -> None:
    auditor = await speaks("auditor")
    action = (await report(partner, an_event()))["action_id"]
    reads = (
        f"/v1/actions/{action}",
        f"/v1/actions/{action}/receipt",
        "/v1/holds",
        "/v1/methodology-runs",
        "/v1/audit-events",
    )

    seen = [(await auditor.get(path)).status_code for path in reads]
    undone = await auditor.post(f"/v1/actions/{action}/reversal", json={"reason": "refund"})
    sent = await auditor.post("/v1/events", json=an_event())

    assert seen == [200] * len(reads)
    assert [of_problem(one) for one in (undone, sent)] == [(403, "scope-missing")] * 2


async def test_an_operator_runs_partners_but_not_those_with_administrators_keys(
    admin: httpx.AsyncClient, speaks: Callable[..., Any]
) -> None:
    operator = await speaks("operator")
    name = unique("p")

    made = await operator.post("/v1/partners", json={"partner": name})
    off = await operator.patch(f"/v1/partners/{name}", json={"disabled": True})
    staff = await operator.patch("/v1/partners/acme", json={"disabled": True})
    people = await operator.patch(f"/v1/partners/{name}", json={"people": "programme"})
    given = await operator.post("/v1/people/alice/grants", json={"points": 1, "reason": "no"})
    still = await admin.get("/v1/partner")

    assert (made.status_code, off.status_code, still.status_code) == (201, 200, 200)
    assert of_problem(staff) == (403, "key-not-yours")
    assert [of_problem(one) for one in (people, given)] == [(403, "scope-missing")] * 2


async def test_an_action_is_undone_by_its_reporter_alone(
    partner: httpx.AsyncClient, speaks: Callable[..., Any]
) -> None:
    action = (await report(partner, an_event()))["action_id"]
    path, body = f"/v1/actions/{action}/reversal", {"reason": "refund"}
    other = await speaks("admin")

    refused = await other.post(path, json=body)
    done = await partner.post(path, json=body)

    assert (await other.get(f"/v1/actions/{action}")).status_code == 200
    assert of_problem(refused) == (403, "not-reporter")
    assert done.status_code == 201, done.text


async def test_a_persons_own_report_is_undone_by_them_or_the_apps_operator(
    app: FastAPI, person: Callable[[str], Any], speaks: Callable[..., Any]
) -> None:
    body = {"reason": "mistake"}
    sources = (unique("shop"),)
    operator = await speaks("admin")  # a partner with the programme's people
    shop = await speaks("admin", people=OWN, sources=sources)
    async with person(unique("person")) as client:
        actions = [await report(client, an_event(source="app", subject="me")) for _ in range(2)]
        paths = [f"/v1/actions/{action['action_id']}" for action in actions]
        refused = await shop.post(f"{paths[0]}/reversal", json=body)
        own = await client.post(f"{paths[0]}/reversal", json=body)
    by_operator = await operator.post(f"{paths[1]}/reversal", json=body)

    assert of_problem(refused) == (403, "not-reporter")
    assert (own.status_code, by_operator.status_code) == (201, 201), by_operator.text


async def test_a_key_without_events_write_reaches_them_by_no_connector(
    app: FastAPI, speaks: Callable[..., Any]
) -> None:
    source = unique("source")
    client = await speaks("webhooks:manage", sources=(source,))

    made = await client.post("/v1/connectors", json={"template": "ride", "source": source})

    assert of_problem(made) == (403, "scope-missing")
    assert "events:write" in made.json()["detail"]


@pytest.mark.parametrize("name", ["app", "test", "admin", "person", "saxaul", "operator"])
async def test_a_name_that_speaks_for_others_is_reserved(
    admin: httpx.AsyncClient, name: str
) -> None:
    answer = await admin.post("/v1/partners", json={"partner": name})

    assert of_problem(answer) == (422, "fields-invalid")
    assert "reserved" in answer.json()["detail"]


async def test_a_partner_called_as_people_report_is_nobody(app: FastAPI) -> None:
    """One of before the name was reserved: it read what people reported themselves."""
    sessions = app.state.runtime.resources.sessions
    of_before = await a_partner(sessions, name="app", scopes=("actions:read", "events:write"))

    async with client_of(app, of_before.key) as client:
        answer = await client.get("/v1/partner")

    assert of_problem(answer) == (401, "key-invalid")


async def test_the_source_of_peoples_own_reports_is_the_operators(
    app: FastAPI, admin: httpx.AsyncClient, person: Callable[[str], Any]
) -> None:
    sessions = app.state.runtime.resources.sessions
    async with person(unique("person")) as client:
        action = (await report(client, an_event(source="app", subject="me")))["action_id"]
    refused = await admin.post("/v1/partners", json={"partner": unique("p"), "sources": ["app"]})
    # One of before, that has the source already.
    before = await a_partner(sessions, people=OWN, sources=("app",), scopes=("actions:read",))
    async with client_of(app, before.key) as client:
        seen = await client.get(f"/v1/actions/{action}")
        me = (await client.get("/v1/partner")).json()

    assert of_problem(refused) == (422, "fields-invalid")
    assert of_problem(seen) == (404, "action-not-found")
    assert me["people"] == OWN


async def test_an_estimate_asks_for_the_scope_of_events(speaks: Callable[..., Any]) -> None:
    client = await speaks("actions:read", sources=(source := unique("source"),))

    answer = await client.post("/v1/estimates", json=an_event(source=source))

    assert of_problem(answer) == (403, "scope-missing")


def test_the_sources_of_the_tests_are_not_peoples_own() -> None:
    assert "app" not in SOURCES

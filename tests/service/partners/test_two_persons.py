"""Changes that need two: one proposes, another confirms, and nobody of the same lineage does."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from builders import (
    NOW,
    NewSettings,
    Running,
    SteppedClock,
    a_partner,
    an_event,
    client_of,
    report,
    running_app,
    unique,
)
from fastapi import FastAPI
from typer.testing import CliRunner, Result

from service.cli import app as cli
from service.partners import store
from service.partners.two_persons import LIFETIME
from service.settings import Settings

GRANT = {"points": 100, "reason": "a gift"}
SPECIES = {
    **dict.fromkeys(("scientific_name", "local_name", "english_name"), "Saxaul"),
    "price_points": 100,
    "price_source": "a published price",
}


@dataclass
class Office:
    """A programme with two administrators, who have a key each."""

    app: FastAPI
    clock: SteppedClock
    settings: Settings
    ann: httpx.AsyncClient
    ben: httpx.AsyncClient

    async def decide(
        self, proposal: str, client: httpx.AsyncClient, how: str = "confirm"
    ) -> httpx.Response:
        return await client.post(f"/v1/proposals/{proposal}/{how}")

    async def balance(self, person: str) -> int:
        found = (await self.ann.get(f"/v1/people/{person}")).json()
        return int(found["points"]["balance"])

    async def acts(self, proposal: str) -> list[str]:
        query = {"target": f"proposal:{proposal}"}
        found = (await self.ann.get("/v1/audit-events", params=query)).json()["data"]
        return sorted(event["act"] for event in found)


@pytest.fixture(scope="module")
async def office(new_settings: NewSettings) -> AsyncIterator[Office]:
    settings, clock = await new_settings(two_persons=True), SteppedClock()
    async with running_app(settings, clock) as app:
        sessions = app.state.runtime.resources.sessions
        keys = [(await a_partner(sessions, name="office", scopes=("admin",))).key for _ in range(2)]
        async with client_of(app, keys[0]) as ann, client_of(app, keys[1]) as ben:
            yield Office(app, clock, settings, ann, ben)


def problem(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, str(answer.json()["type"]).rpartition("/")[2]


async def proposed(asked: httpx.Response) -> str:
    assert asked.status_code == 202, asked.text
    return str(asked.json()["proposal_id"])


async def test_a_grant_is_given_when_a_second_one_confirms_it(office: Office) -> None:
    person = unique("person")
    asked = await office.ann.post(f"/v1/people/{person}/grants", json=GRANT)
    proposal = await proposed(asked)

    before = await office.balance(person)
    alone = await office.decide(proposal, office.ann)
    done = await office.decide(proposal, office.ben)
    again = await office.decide(proposal, office.ben)

    assert (before, await office.balance(person)) == (0, 100)
    assert problem(alone) == (403, "second-person-needed")
    assert (done.status_code, done.json()["result"]["points"]) == (200, 100)
    assert problem(again) == (409, "proposal-ended")
    assert await office.acts(proposal) == ["proposal.confirmed", "proposal.made"]
    assert person not in str(done.json())


async def test_a_key_of_the_same_lineage_is_no_second_person(office: Office) -> None:
    sessions = office.app.state.runtime.resources.sessions
    first = await a_partner(sessions, name="office", scopes=("admin",))
    person = unique("person")
    async with client_of(office.app, first.key) as client:
        prefix = first.key.split("_")[1]
        rotated = (await client.post(f"/v1/partner/keys/{prefix}/rotation")).json()
        asked = await client.post(f"/v1/people/{person}/grants", json=GRANT)
    async with client_of(office.app, rotated["key"]) as client:
        answer = await office.decide(await proposed(asked), client)

    assert problem(answer) == (403, "second-person-needed")
    assert await office.balance(person) == 0


async def test_a_repeated_request_gets_the_same_proposal(office: Office) -> None:
    path, headers = f"/v1/people/{unique('p')}/grants", {"Idempotency-Key": unique("key")}

    answers = [await office.ann.post(path, json=GRANT, headers=headers) for _ in range(2)]

    assert [one.status_code for one in answers] == [202, 202]
    assert answers[0].json() == answers[1].json()


async def test_what_could_not_be_made_is_not_proposed(office: Office) -> None:
    new = {"project_id": unique("grove"), "species": "none", "stock": 1, "region": "CN-NM"}
    names = dict.fromkeys(("name", "place", "planting_partner"), "Grove")
    days = {"opens_on": "2026-01-01", "closes_on": "2026-12-31"}

    answer = await office.ann.post("/v1/admin/projects", json={**new, **names, **days})

    assert problem(answer) == (404, "species-not-found")


async def test_prices_and_stock_need_two_and_other_words_do_not(office: Office) -> None:
    name = unique("species")
    made = await proposed(
        await office.ann.post("/v1/admin/species", json={**SPECIES, "species": name})
    )
    assert (await office.decide(made, office.ben)).status_code == 200
    path = f"/v1/admin/species/{name}"

    renamed = await office.ann.patch(path, json={"english_name": "Black saxaul"})
    priced = await office.ann.patch(path, json={"price_points": 1})
    listed = (await office.ann.get("/v1/admin/species")).json()["data"]
    rows = {row["species"]: row for row in listed}

    assert (renamed.status_code, priced.status_code) == (200, 202)
    assert (rows[name]["english_name"], rows[name]["price_points"]) == ("Black saxaul", 100)


async def test_a_rejected_or_expired_proposal_changes_nothing(office: Office) -> None:
    people = [unique("person") for _ in range(2)]
    first, second = [
        await proposed(await office.ann.post(f"/v1/people/{one}/grants", json=GRANT))
        for one in people
    ]

    withdrawn = await office.decide(first, office.ann, "reject")
    late = await office.decide(first, office.ben)
    office.clock.now = NOW + LIFETIME
    expired = await office.decide(second, office.ben)
    query = {"state": "expired", "limit": "200"}
    listed = (await office.ben.get("/v1/proposals", params=query)).json()["data"]
    office.clock.now = NOW

    assert withdrawn.json()["state"] == "rejected"
    assert [problem(one) for one in (late, expired)] == [(409, "proposal-ended")] * 2
    assert second in [row["proposal_id"] for row in listed]
    assert [await office.balance(one) for one in people] == [0, 0]


async def test_whose_people_a_partner_reports_needs_two(office: Office) -> None:
    name = unique("shop")
    made = await office.ann.post("/v1/partners", json={"partner": name, "people": "programme"})
    waiting = made.json()

    confirmed = await office.decide(waiting["proposal"]["proposal_id"], office.ben)
    back = await office.ann.patch(f"/v1/partners/{name}", json={"people": "own"})
    now = (await office.ann.get(f"/v1/partners/{name}")).json()

    assert (made.status_code, waiting["people"]) == (201, "own")
    assert (confirmed.status_code, back.status_code) == (200, 202)
    assert now["people"] == "programme"


async def test_an_administrators_key_opens_nothing_before_a_second_one_says_so(
    office: Office,
) -> None:
    asked = await office.ann.post("/v1/partner/keys", json={"scopes": ["admin"]})
    other = await office.ann.post("/v1/partner/keys", json={"scopes": ["operator"]})
    key = asked.json()["key"]

    async with client_of(office.app, key) as client:
        before = await client.get("/v1/partner")
        done = await office.decide(await proposed(asked), office.ben)
        after = await client.get("/v1/partner")

    assert other.status_code == 201
    assert (before.status_code, done.status_code, after.status_code) == (401, 200, 200)
    assert key not in done.text


async def test_who_lacks_the_scope_of_a_proposal_confirms_none(office: Office) -> None:
    sessions = office.app.state.runtime.resources.sessions
    proposal = await proposed(await office.ann.post(f"/v1/people/{unique('p')}/grants", json=GRANT))
    answers = []
    for scope in ("operator", "auditor"):
        key = (await a_partner(sessions, name="staff", scopes=(scope,))).key
        async with client_of(office.app, key) as client:
            answers.append(await office.decide(proposal, client))

    assert [problem(one) for one in answers] == [(403, "scope-missing")] * 2


async def test_two_who_confirm_at_once_make_it_once(office: Office) -> None:
    sessions, person = office.app.state.runtime.resources.sessions, unique("person")
    key = (await a_partner(sessions, name="office", scopes=("admin",))).key
    proposal = await proposed(await office.ann.post(f"/v1/people/{person}/grants", json=GRANT))

    async with client_of(office.app, key) as cleo:
        answers = await asyncio.gather(
            *(office.decide(proposal, client) for client in (office.ben, cleo) * 2)
        )

    assert sorted(one.status_code for one in answers) == [200, 409, 409, 409]
    assert await office.balance(person) == 100


Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a command in a thread, as it has a loop of its own."""
    monkeypatch.setenv("SAXAUL_HOME", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "250")
    return lambda *args: asyncio.to_thread(CliRunner().invoke, cli, list(args))


async def test_the_command_line_alone_makes_the_first_administrator_and_no_second(
    run: Run, new_settings: NewSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = await new_settings(two_persons=True)
    monkeypatch.setenv("DATABASE_URL", str(settings.database_url))
    monkeypatch.setenv("REDIS_URL", str(settings.redis_url))

    first = await run("keys", "add", "office", "--scope", "admin")
    second = await run("keys", "add", "office", "--scope", "admin")
    people = await run("partner", "people", "office", "programme")
    by_add = await run("partner", "add", "other", "--source", "o", "--scope", "admin")
    keys = [result.output.split()[0] for result in (first, second)]
    api = Running(settings)
    try:
        statuses = [(await ask(api, "partner", key)).status_code for key in keys]
        listed = await run("proposals", "list", "--url", api.url, "--key", keys[0])
        waiting = (await ask(api, "proposals", keys[0])).json()["data"]
        ids = {row["kind"]: row["proposal_id"] for row in waiting}
        done = await run(
            "proposals", "confirm", ids["key.admin"], "--url", api.url, "--key", keys[0]
        )
        ended = await run(
            "proposals", "reject", ids["partner.people"], "--url", api.url, "--key", keys[1]
        )
        now = (await ask(api, "partner", keys[1])).json()
    finally:
        await api.stop()

    assert "Proposed" not in first.output
    assert "Proposed" in second.output
    assert "Proposed" in people.output
    assert by_add.exit_code == 1
    assert statuses == [200, 401]
    assert ids["key.admin"] in listed.output
    assert (done.exit_code, ended.exit_code) == (0, 0), done.output + ended.output
    assert now["people"] == "own"


async def ask(api: Running, what: str, key: str) -> httpx.Response:
    headers = {"Authorization": f"Bearer {key}"}
    async with httpx.AsyncClient(headers=headers, trust_env=False) as client:
        return await client.get(f"{api.url}/v1/{what}")


async def test_the_embedded_demo_needs_no_second_person(app: FastAPI, admin: Any) -> None:
    """As `saxaul up` sets it for its own database; elsewhere it is on."""
    assert Settings().two_persons
    assert not app.state.runtime.resources.settings.two_persons

    given = await admin.post(f"/v1/people/{unique('p')}/grants", json=GRANT)

    assert given.status_code == 201


async def test_what_waits_for_nobody_is_decided_by_events_as_before(
    office: Office,
) -> None:
    """Reporting needs nobody's leave."""
    sessions, source = office.app.state.runtime.resources.sessions, unique("s")
    shop = await a_partner(sessions, sources=(source,))
    async with client_of(office.app, shop.key) as client:
        result = await report(client, an_event(source=source))

    assert result["outcome"] == "credited"
    async with sessions() as session:
        assert await store.may_confirm(session, "admin", NOW)

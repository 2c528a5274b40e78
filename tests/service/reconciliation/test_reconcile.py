"""Every rule of `saxaul reconcile` can fail: each is broken by hand in a database of its own."""

from datetime import timedelta

import httpx
import pytest
from builders import (
    NOW,
    SOURCES,
    USUAL,
    NewSettings,
    SteppedClock,
    a_box,
    a_partner,
    an_event,
    an_order,
    as_operator,
    catch_up,
    client_of,
    database_named,
    execute,
    report_all,
    running_app,
    unique,
)

from service.forest.catalogue import add_project, add_species
from service.forest.tables import Project, Species
from service.reconciliation.reconcile import Check, is_quiet, reconcile
from service.resources import open_resources
from service.settings import Settings
from service.totals.counters import Counters

ONE_CREDITED = "SELECT * FROM action WHERE outcome = 'credited' ORDER BY action_id LIMIT 1"


def unfenced(table: str) -> str:
    """Facts do not let themselves be changed, not even by their owner."""
    return f"ALTER TABLE {table} DISABLE TRIGGER USER;"


CORRUPTIONS = {
    "an event is recorded once": f"CREATE TEMP TABLE twice AS {ONE_CREDITED};"
    "UPDATE twice SET local_day = local_day - 1; INSERT INTO action SELECT * FROM twice",
    "a claim is owned by an action that was credited": "UPDATE claim SET action_id ="
    " gen_random_uuid() WHERE claim_key = (SELECT claim_key FROM claim LIMIT 1)",
    "two corroborating actions point to each other": "INSERT INTO corroboration"
    " SELECT bucket, person_id, action_id, gen_random_uuid(), false, batch_id, '\\x00', local_day,"
    " recorded_at FROM action LIMIT 1",
    "balance = sum of entries": "UPDATE account SET balance = balance + 1",
    "balance_after of the last entry = balance": f"{unfenced('entry')} UPDATE entry"
    " SET balance_after = 7",
    "earnings = points of actions": "UPDATE earning SET points = points + 1",
    "collected = entries of collecting": "UPDATE earning SET collected = collected - 1"
    " WHERE collected > taken_back",
    "taken by friends = entries of taking": "UPDATE earning SET points = points + 1,"
    " to_friends = to_friends + 1",
    "gifts add up to nothing": "INSERT INTO entry SELECT bucket, person_id, gen_random_uuid(),"
    " 'gift', 5, balance + 5, '{}', now() FROM account LIMIT 1",
    "reversed = points taken back": f"{unfenced('reversal')} UPDATE reversal"
    " SET points = points + 1",
    "people counted = people in the journal": "UPDATE account SET counted = false",
    "a restatement starts from the value before it": "INSERT INTO restatement"
    " SELECT bucket, person_id, action_id, 1, action_id, batch_id, local_day, methodology, 'CN',"
    " gross_mg, avoided_mg + 1, uncertainty_mg, methodology, 'CN', gross_mg, avoided_mg + 1,"
    " uncertainty_mg, 0, outcome, NULL, NULL, recorded_at FROM action WHERE outcome = 'credited'",
    "a waiting account that was linked is closed and empty": "INSERT INTO link"
    " SELECT bucket, person_id, gen_random_uuid(), 'acme', person_id, person_id, 's', '1', now(),"
    " '' FROM account LIMIT 1",
    "a customer's events go where its link says": "INSERT INTO customer_route"
    " SELECT bucket, person_id, 'acme', 0, person_id, gen_random_uuid(), '{}' FROM account LIMIT 1",
    "no project sells more than its stock": "UPDATE project SET stock = stock + 1",
    "contracted = certificates of orders and complete pools": "UPDATE stock_cell"
    " SET sold = sold + 1 WHERE sold < capacity",
    "one certificate for each order and complete pool": "UPDATE certificate"
    " SET voided_at = now() WHERE order_id IS NOT NULL",
    "spent - refunded = orders and pools": "UPDATE tree_order SET points = points + 1",
    "a pool holds what its members poured": "UPDATE pool_member SET points = points + 1",
    "surviving <= planted <= contracted, in every lot": "UPDATE lot SET planted = 3",
    "closed days = their journal rows": "INSERT INTO journal_day"
    " SELECT '2021-01-01', local_day, activity, methodology, version, partner, region,"
    " evidence_level, scope, actions, gross_mg, avoided_mg, uncertainty_mg, points FROM total_day",
    "journal = actions, restatements and reversals": f"{unfenced('journal')} UPDATE journal"
    " SET actions = actions + 1",
    "issued = held + spent + lapsed + reversed": "UPDATE account SET balance = balance + 1",
    "journal is applied": "INSERT INTO journal_pending"
    " SELECT bucket, batch_id, 'totals' FROM journal",
    "total_day = actions + restatements - reversals": "UPDATE total_day"
    " SET avoided_mg = avoided_mg + 1",
    "Valkey = total_day": "UPDATE total_day SET avoided_mg = avoided_mg + 1",
}

# Further ways to break a rule: its other sides, and facts that other rules hold together.
MORE = [
    ("one certificate for each order and complete pool", "UPDATE certificate"
     " SET pool_id = gen_random_uuid() WHERE pool_id IS NOT NULL"),
    ("one certificate for each order and complete pool", "DELETE FROM tree_order"),
    ("contracted = certificates of orders and complete pools", "DELETE FROM certificate"
     " WHERE pool_id IS NOT NULL"),
    ("spent - refunded = orders and pools", f"{unfenced('entry')} UPDATE entry"
     " SET points = points + 1 WHERE kind = 'refund'"),
    ("a pool holds what its members poured", "UPDATE pool SET state = 'dissolved'"),
    ("surviving <= planted <= contracted, in every lot", "UPDATE certificate SET voided_at = now()"
     " WHERE pool_id IS NOT NULL"),
    ("total_day = actions + restatements - reversals",
     f"{unfenced('transfer')} DELETE FROM transfer"),
    ("total_day = actions + restatements - reversals", "DELETE FROM total_day"
     " WHERE scope = 'transferred'"),
]  # fmt: skip


async def plant(client: httpx.AsyncClient, subject: str) -> None:
    """One tree ordered and planted, one pooled and planted, one given back."""

    async def post(path: str, **body: object) -> dict[str, object]:
        headers = {"Idempotency-Key": unique("key")}
        answer = await client.post(f"/v1/{path}", json=body, headers=headers)
        assert answer.is_success, answer.text
        return answer.json()

    tree = {"project_id": "grove", "subject": subject}
    await post("orders", **tree)
    pool = await post("pools", name="Ours", **tree)
    await post(f"pools/{pool['pool_id']}/contributions", subject=subject, points=100)
    back = await post("orders", **tree)
    await post(f"orders/{back['order_id']}/refund")
    await post("admin/lots/grove-001/fund")
    await post("admin/lots/grove-001/reports", state="planted", on="2026-06-15", by="A", planted=2)


@pytest.fixture(scope="module")
async def healthy(new_settings: NewSettings) -> Settings:
    """A programme with a bit of everything, closed again so that it can be copied."""
    settings, clock = await new_settings(), SteppedClock()
    async with running_app(settings, clock) as app:
        sessions = app.state.runtime.resources.sessions
        sender = await a_partner(sessions, sources=SOURCES, scopes=(*USUAL, "admin"))
        async with as_operator(sessions) as session:
            names = dict.fromkeys(("species", "scientific_name", "local_name", "english_name"), "s")
            kind = Species(**names, price_points=100, price_source="its own")
            await add_species(session, kind, now=NOW)
            told = dict.fromkeys(("project", "name", "place"), "grove")
            grove = Project(
                **told, species="s", region="CN-NM", planting_partner="A", stock=2000,
                price_points=100, opens_on=NOW.date(), closes_on=NOW.date() + timedelta(days=365),
            )  # fmt: skip
            await add_project(session, grove, now=NOW)
        async with client_of(app, sender.key) as client:
            subject = unique("person")
            results = await report_all(
                client,
                [
                    an_event(subject=subject),
                    an_order(subject=subject),
                    an_event({"region": "FR"}),
                    a_box(evidencelevel="L0"),
                    *(an_order(subject="many") for _ in range(8)),
                ],
            )
            clock.advance(hours=20)
            await client.post(f"/v1/people/{subject}/collect")
            await client.post("/v1/people/many/collect")
            clock.now += timedelta(minutes=1)
            await client.post(
                f"/v1/actions/{results[1]['action_id']}/reversal", json={"reason": "refund"}
            )
            moved = await client.post(
                f"/v1/actions/{results[4]['action_id']}/transfer",
                json={"scheme": "another", "reference": "1"},
            )
            assert moved.status_code == 201, moved.text
            await plant(client, subject)
            await catch_up(app)
    return settings


async def check(settings: Settings) -> dict[str, Check]:
    async with open_resources(settings) as resources:
        counters = Counters(resources.valkey, resources.sessions)
        assert await is_quiet(resources.sessions) in (True, False)
        return {one.rule: one for one in await reconcile(resources.sessions, counters)}


async def test_a_healthy_ledger_passes_every_rule(healthy: Settings) -> None:
    checks = await check(healthy)

    assert [one for one in checks.values() if not one.holds] == []


async def test_every_rule_is_broken_here(healthy: Settings) -> None:
    assert set(await check(healthy)) == set(CORRUPTIONS)


@pytest.mark.parametrize(("rule", "broken"), [*CORRUPTIONS.items(), *MORE])
async def test_a_broken_rule_is_reported(healthy: Settings, rule: str, broken: str) -> None:
    name = unique("broken").replace("-", "_")
    await execute(
        database_named(healthy.database_url, "postgres"),
        f"CREATE DATABASE {name} TEMPLATE {healthy.database_url.rpartition('/')[2]}",
    )
    copy = healthy.model_copy(update={"database_url": database_named(healthy.database_url, name)})
    await execute(copy.database_url, broken)

    checks = await check(copy)

    assert not checks[rule].holds
    assert checks[rule].shown


async def test_counters_that_cannot_be_read_are_no_proof(healthy: Settings) -> None:
    away = healthy.model_copy(update={"redis_url": "redis://127.0.0.1:1/0"})

    checks = await check(away)

    assert not checks["Valkey = total_day"].holds
    assert "cannot be read" in checks["Valkey = total_day"].shown

"""The application connects as a role that cannot change a fact; everything works under it."""

import asyncio
from collections.abc import AsyncIterator
from datetime import date, timedelta, timezone

import asyncpg
import httpx
import pytest
from builders import (
    SOURCES,
    NewSettings,
    SteppedClock,
    a_partner,
    an_event,
    catch_up,
    client_of,
    database_named,
    execute,
    report,
    running_app,
    unique,
)
from fastapi import FastAPI
from sqlmodel import SQLModel

from service.audit import tables as _audit  # noqa: F401  (tables register themselves)
from service.embedded.servers import Servers
from service.friends import tables as _friends  # noqa: F401  (tables register themselves)
from service.intake import tables as _intake  # noqa: F401
from service.journal import tables as _journal  # noqa: F401
from service.migrate import migrate_database
from service.points import tables as _points  # noqa: F401
from service.reconciliation.reconcile import reconcile
from service.restate import tables as _restate  # noqa: F401
from service.settings import Settings
from service.totals.counters import Counters
from service.totals.rebuild import rebuild_days
from workers.lapse import lapse_points
from workers.leaderboards import rank_regions
from workers.months import open_months

FACTS = sorted(table.name for table in SQLModel.metadata.sorted_tables if table.info.get("is_fact"))
# Rows of facts that a little life does not make; nobody sums them up here.
TRANSFERRED = """
    INSERT INTO transfer (bucket, person_id, action_id, batch_id, scheme, reference, partner,
                          local_day, recorded_at)
    VALUES (0, gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), 'a', 'b', 'c',
            '2026-06-15', now())
"""
RESTATED = """
    INSERT INTO restatement (bucket, person_id, action_id, sequence, run_id, batch_id, local_day,
        old_methodology, old_region, old_gross_mg, old_avoided_mg, old_uncertainty_mg, methodology,
        region, gross_mg, avoided_mg, uncertainty_mg, quantity_milli, outcome, recorded_at)
    VALUES (0, gen_random_uuid(), gen_random_uuid(), 1, gen_random_uuid(), gen_random_uuid(),
        '2026-06-15', 'a@1.0.0', 'CN', 1, 1, 1, 'a@2.0.0', 'CN', 1, 1, 1, 1, 'credited', now())
"""
AUDITED = """
    INSERT INTO audit_event (event_id, recorded_at, actor_kind, actor, act, target, changes)
    VALUES (gen_random_uuid(), now(), 'operator', 'root', 'partner.disabled', 'partner:p', '{}')
"""
CORROBORATED = """
    INSERT INTO corroboration (bucket, person_id, action_id, other_id, is_first, batch_id, salt,
                               local_day, recorded_at)
    VALUES (0, gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), true, gen_random_uuid(),
            '\\x00', '2026-06-15', now())
"""
LINKED = """
    INSERT INTO link (bucket, person_id, link_id, partner, customer_id, waiting_id, scenario,
        text_version, linked_at, salt)
    VALUES (0, gen_random_uuid(), gen_random_uuid(), 'p', gen_random_uuid(), gen_random_uuid(),
        'points', '1', now(), '\\x00')
"""
UNLINKED = """
    INSERT INTO link_end (bucket, person_id, link_id, ended_at, salt)
    VALUES (0, gen_random_uuid(), gen_random_uuid(), now(), '\\x00')
"""
CHANGES = ("UPDATE {0} SET {1} = {1}", "DELETE FROM {0}", "TRUNCATE {0}")


@pytest.fixture(scope="module")
async def as_owner(new_settings: NewSettings) -> Settings:
    """A programme whose owner has separated the application's role."""
    return await new_settings()


@pytest.fixture(scope="module")
async def restricted(as_owner: Settings, servers: Servers) -> Settings:
    """The application's settings: its own role, given its rights by the migration."""
    name = as_owner.database_url.rpartition("/")[2]
    url = database_named(servers.app_database_url, name)
    owned = {"database_url": url, "owner_database_url": as_owner.database_url}
    await asyncio.to_thread(migrate_database, as_owner.model_copy(update=owned))
    return as_owner.model_copy(update={"database_url": url})


@pytest.fixture(scope="module")
async def app(restricted: Settings) -> AsyncIterator[FastAPI]:
    async with running_app(restricted, SteppedClock()) as running:
        yield running


@pytest.fixture(scope="module")
async def client(app: FastAPI, as_owner: Settings) -> AsyncIterator[httpx.AsyncClient]:
    sessions = app.state.runtime.resources.sessions
    sender = await a_partner(sessions, sources=SOURCES, scopes=("admin",))
    async with client_of(app, sender.key) as client:
        yield client


def first_column(table: str) -> str:
    return next(iter(SQLModel.metadata.tables[table].columns)).name


def test_the_facts_are_those_that_are_known() -> None:
    assert {
        "action",
        "entry",
        "reversal",
        "journal",
        "watering",
        "friend_take",
        "audit_event",
    } <= set(FACTS)


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("table", FACTS)
async def test_the_application_changes_no_fact(
    restricted: Settings, table: str, change: str
) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await execute(restricted.database_url, change.format(table, first_column(table)))


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("table", FACTS)
async def test_nor_does_the_owner_by_mistake(
    as_owner: Settings, client: httpx.AsyncClient, table: str, change: str
) -> None:
    await live_a_little(client)

    connection = await asyncpg.connect(as_owner.database_url)
    undone = connection.transaction()
    await undone.start()
    try:
        for fact in (TRANSFERRED, RESTATED, AUDITED, LINKED, UNLINKED, CORROBORATED):
            await connection.execute(fact)
        filled = await connection.fetchval(f"SELECT count(*) FROM {table}")
        assert filled, f"there must be something in {table} for this to mean anything"
        with pytest.raises(asyncpg.IntegrityConstraintViolationError, match="append-only"):
            async with connection.transaction():
                await connection.execute(change.format(table, first_column(table)))
        assert await connection.fetchval(f"SELECT count(*) FROM {table}") == filled
    finally:
        await undone.rollback()
        await connection.close()


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE mine (a int)",
        "DROP TABLE entry",
        "ALTER TABLE entry DISABLE TRIGGER ALL",
        "CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$"
        " BEGIN RETURN NULL; END $$",
        "UPDATE alembic_version SET version_num = 'x'",
    ],
)
async def test_the_application_changes_no_schema(restricted: Settings, statement: str) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await execute(restricted.database_url, statement)


async def test_it_opens_months_and_nothing_else(restricted: Settings) -> None:
    connection = await asyncpg.connect(restricted.database_url)

    await connection.execute("SELECT open_action_month($1)", date(2031, 5, 1))

    assert await connection.fetchval("SELECT to_regclass('action_2031_05') IS NOT NULL")
    for day in (date(2031, 5, 2), date(2020, 12, 1), date(2036, 1, 1)):
        with pytest.raises(asyncpg.InvalidParameterValueError):
            await connection.execute("SELECT open_action_month($1)", day)
    await connection.close()


async def test_everything_works_under_the_role(app: FastAPI, client: httpx.AsyncClient) -> None:
    await live_a_little(client)

    resources = app.state.runtime.resources
    await open_months({"resources": resources})
    app.state.runtime.resources.clock.advance(days=9)
    assert await lapse_points({"resources": resources}) > 0
    await rank_regions({"resources": resources})
    await rebuild_days(resources.sessions)
    await catch_up(app)
    checks = await reconcile(resources.sessions, Counters(resources.valkey, resources.sessions))
    assert [check for check in checks if not check.holds] == []


async def live_a_little(client: httpx.AsyncClient) -> None:
    """A bit of everything that writes facts."""
    clock = client._transport.app.app.state.runtime.resources.clock
    ann, ben = unique("ann"), unique("ben")
    at = clock.now.astimezone(timezone(timedelta(hours=8))).isoformat()
    for subject in (ann, ben):
        event = an_event(subject=subject, time=at)
        action = await report(client, event)
        await report(client, an_event(subject=subject, time=at))
    clock.advance(hours=32)
    asked = await client.post(f"/v1/people/{ann}/friends", json={"subject": ben})
    friendship = asked.raise_for_status().json()["friendship_id"]
    for who, what, body in (
        (ben, f"friends/{friendship}/accept", {}),
        (ben, "collect", None),
        (ben, f"friends/{friendship}/water", {"points": 18}),
        (ben, f"friends/{friendship}/take", {}),
        (ben, "shield", {}),
        (ben, "grants", {"points": 5, "reason": "a test"}),
    ):
        answer = await client.post(f"/v1/people/{who}/{what}", json=body)
        assert answer.is_success, answer.text
    undone = await client.post(
        f"/v1/actions/{action['action_id']}/reversal", json={"reason": "refund"}
    )
    assert undone.is_success, undone.text


async def test_migrating_with_an_owner_gives_the_application_its_rights(
    servers: Servers, home
) -> None:
    name = unique("owned").replace("-", "_")
    await execute(servers.database_url, f"CREATE DATABASE {name}")
    url = database_named(servers.app_database_url, name)
    with_owner = Settings(
        database_url=url, owner_database_url=database_named(servers.database_url, name)
    )

    await asyncio.to_thread(migrate_database, with_owner)

    await execute(url, "INSERT INTO partner VALUES ('p', 'p', now())")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await execute(url, "DELETE FROM entry")

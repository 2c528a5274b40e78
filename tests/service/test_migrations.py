"""The migrations make what the tables say, once, whoever runs them and however often."""

import asyncio
import subprocess
import sys
from dataclasses import replace
from datetime import date
from hashlib import sha256
from uuid import UUID

import asyncpg
import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from any_event import CATALOGUE, EXCLUSIONS, POLICY, REPORTER, an_assessor, parsed
from builders import (
    NOW,
    SOURCES,
    SteppedClock,
    a_partner,
    an_event,
    client_of,
    database_named,
    execute,
    report,
    running_app,
    settings_of,
    unique,
)
from sqlalchemy import TEXT, Connection
from sqlalchemy.ext.asyncio import create_async_engine
from sqlmodel import SQLModel
from sqlmodel.sql.sqltypes import AutoString

from methodologies.verify import FORMAT, read_receipt, verify
from service.clock import uuid7
from service.embedded.servers import Servers
from service.friends.store import rank
from service.intake.address import first_day
from service.intake.candidate import Candidate
from service.intake.day_state import DayState
from service.intake.decide import Decider
from service.intake.ids import ActionIds
from service.journal.append import NOTICES
from service.journal.take import take_noticed
from service.migrate import config_of, migrate_database
from service.resources import SANDBOX, open_resources
from service.settings import Settings

BEFORE_RANKS = "0023"
BEFORE_PEOPLE = "0024"
# As version 0.1.0 wrote them: three leaders of the week of builders.NOW, and two marks whose order
# in the queue is not that of their keys.
LEADERS = """
    INSERT INTO profile (bucket, person_id, display_name, region) VALUES
        (1, '00000000-0000-4000-8000-000000000001', 'Ann', 'ZZ-A'),
        (2, '00000000-0000-4000-8000-000000000002', 'Ben', 'ZZ-A'),
        (3, '00000000-0000-4000-8000-000000000003', 'Eve', 'ZZ-A');
    INSERT INTO standing (span, region, bucket, person_id, starts_on, place, points, people) VALUES
        ('week', 'ZZ-A', 1, '00000000-0000-4000-8000-000000000001', '2026-06-15', 2, 700, 3),
        ('week', 'ZZ-A', 2, '00000000-0000-4000-8000-000000000002', '2026-06-15', 1, 800, 3),
        ('week', 'ZZ-A', 3, '00000000-0000-4000-8000-000000000003', '2026-06-15', 2, 700, 3);
"""
MARKS = """
    INSERT INTO journal (bucket, batch_id, kind, actions, people, deltas, leaves) VALUES
        (1, '00000000-0000-4000-8000-00000000000a', 'intake', 1, 1, '[]', ''),
        (2, '00000000-0000-4000-8000-00000000000b', 'intake', 2, 1, '[]', '');
    INSERT INTO journal_pending (bucket, batch_id, projector, place) VALUES
        (1, '00000000-0000-4000-8000-00000000000a', 'webhooks', 1002),
        (2, '00000000-0000-4000-8000-00000000000b', 'webhooks', 1001);
    SELECT setval('journal_place', 1002);
"""


async def empty_database(servers: Servers) -> str:
    name = unique("migrated").replace("-", "_")
    await execute(servers.database_url, f"CREATE DATABASE {name}")
    return database_named(servers.database_url, name)


async def tables_of(url: str) -> list[str]:
    connection = await asyncpg.connect(url)
    rows = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    await connection.close()
    return sorted(row[0] for row in rows)


async def test_a_fresh_database_is_what_the_tables_say(settings: Settings) -> None:
    def compared(connection: Connection) -> list[object]:
        options = {"compare_type": differs, "include_object": is_ours}
        context = MigrationContext.configure(connection, opts=options)
        return compare_metadata(context, SQLModel.metadata)

    def differs(_: object, __: object, ___: object, found: object, said: object) -> bool | None:
        is_text = isinstance(found, TEXT) and isinstance(said, AutoString)
        return False if is_text else None  # None: compare as usual

    def is_ours(_: object, name: str, kind: str, reflected: bool, other: object) -> bool:
        return not (kind == "table" and reflected and name.startswith("action_"))  # partitions

    engine = create_async_engine(settings.database_url.replace("://", "+asyncpg://"))
    async with engine.connect() as connection:
        found = await connection.run_sync(compared)
    await engine.dispose()

    assert found == []


async def test_migrating_twice_changes_nothing(servers: Servers, home) -> None:
    url = await empty_database(servers)
    settings = settings_of(home, database_url=url)

    first = await asyncio.to_thread(migrate_database, settings)
    tables = await tables_of(url)
    second = await asyncio.to_thread(migrate_database, settings)

    assert first == second
    assert await tables_of(url) == tables
    assert "action" in tables


async def test_two_at_once_wait_for_each_other(servers: Servers) -> None:
    url = await empty_database(servers)
    command = [sys.executable, "-m", "service.cli", "migrate"]
    environment = {"DATABASE_URL": url, "PATH": "/usr/bin:/bin", "NO_COLOR": "1"}

    def migrate() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=60, check=False
        )

    programs = await asyncio.gather(*(asyncio.to_thread(migrate) for _ in range(2)))

    assert [program.returncode for program in programs] == [0, 0], programs
    assert all("revision" in program.stdout for program in programs)


@pytest.mark.parametrize("schema", ["public", SANDBOX])
async def test_ranks_and_marks_of_the_released_version_are_found_again(
    servers: Servers, home, schema: str
) -> None:
    """In the programme and in its sandbox, under the application's own role."""
    url = await empty_database(servers)
    released = settings_of(home, database_url=url, redis_url=servers.redis_url)
    await asyncio.to_thread(migrate_to, released, BEFORE_RANKS)
    await execute(url, f"SET search_path = {schema}; {LEADERS} {MARKS}")

    app_url = database_named(servers.app_database_url, url.rpartition("/")[2])
    now = released.model_copy(
        update={
            "database_url": app_url,
            "owner_database_url": url,
            "leaderboard_min_people": 3,
        }
    )
    await asyncio.to_thread(migrate_database, now)
    credential = "sx_test_nobody" if schema == SANDBOX else None
    async with running_app(now, SteppedClock()) as app, client_of(app, credential) as client:
        board = (await client.get("/v1/leaderboards/ZZ-A")).json()
    async with open_resources(now, SteppedClock(), schema=schema) as resources:
        async with resources.sessions() as session:
            marks = [row.bucket for row in await take_noticed(session, NOTICES, 10)]
        async with resources.sessions() as session, session.begin():
            await rank(session, span="week", first=date(2026, 6, 15), last=date(2026, 6, 21))
    await execute(
        url,
        f"SET search_path = {schema}; "
        "INSERT INTO journal_pending (bucket, batch_id, projector) "
        "VALUES (1, '00000000-0000-4000-8000-00000000000c', 'days')",
    )

    assert [(row["rank"], row["name"], row["points"]) for row in board["data"]] == [
        (1, "Ben", 800), (2, "Ann", 700), (2, "Eve", 700),
    ]  # fmt: skip
    assert marks == [2, 1]
    assert await next_position(url, schema) == 1003


async def test_an_action_of_the_released_version_keeps_its_leaf_and_its_receipt_holds(
    servers: Servers, home
) -> None:
    url = await empty_database(servers)
    released = settings_of(home, database_url=url, redis_url=servers.redis_url)
    await asyncio.to_thread(migrate_to, released, BEFORE_RANKS)
    candidate = an_assessor(home).candidate(parsed(an_event()), REPORTER, NOW)
    action_id, leaf = await record_as_released(url, candidate)

    await asyncio.to_thread(migrate_database, released)

    async with running_app(released, SteppedClock()) as app:
        sessions = app.state.runtime.resources.sessions
        reader = await a_partner(sessions, sources=SOURCES, scopes=("admin",))
        async with client_of(app, reader.key) as client:
            answer = await client.get(f"/v1/actions/{action_id}/receipt")
    receipt = read_receipt(answer.raise_for_status().content)
    assert receipt["format"] == FORMAT
    assert receipt["recorded"]["salt"] is None
    assert receipt["digests"]["leaf"] == f"sha256:{leaf.hex()}"
    assert verify(receipt, CATALOGUE).differences == ()


async def record_as_released(url: str, candidate: Candidate) -> tuple[UUID, bytes]:
    """Write an action as version 0.1.0 did; its id and its leaf."""
    decider = Decider(
        POLICY, batch_id=uuid7(NOW), now=NOW, years={}, exclusions=EXCLUSIONS,
        days={(candidate.bucket, candidate.person_id, candidate.local_day, candidate.activity):
              DayState()},
    )  # fmt: skip
    action_id = ActionIds(NOW, 1).take(candidate.bucket, candidate.month)
    outcome = decider.decide(candidate, action_id, salt=b"", claimed=False)
    [row] = decider.decided.rows
    released = row._asdict()
    for later in ("salt", "customer_id"):
        del released[later]
    connection = await asyncpg.connect(url)
    await connection.execute("SELECT open_action_month($1)", first_day(candidate.month))
    await connection.copy_records_to_table(
        "action", records=[tuple(released.values())], columns=list(released)
    )
    await connection.close()
    said = [outcome.methodology, outcome.outcome, row.gross_mg, row.avoided_mg, row.points]
    text = "|".join(map(str, [action_id.hex, row.digest.hex(), *said]))
    return action_id, sha256(f"\0{text}".encode()).digest()


def migrate_to(settings: Settings, revision: str) -> None:
    """As `migrate_database`, but no further than to a revision."""
    config = config_of(settings)
    for schema in ("", SANDBOX):
        config.set_main_option("schema", schema)
        command.upgrade(config, revision)


async def next_position(url: str, schema: str) -> int:
    """The position that the youngest mark drew from the sequence."""
    connection = await asyncpg.connect(url)
    found = await connection.fetchval(f"SELECT max(queue_position) FROM {schema}.journal_pending")
    await connection.close()
    return int(found)


async def test_partners_of_the_released_version_get_customers_of_their_own(
    servers: Servers, home
) -> None:
    """The demo partner excepted; what was reported before is found again."""
    url = await empty_database(servers)
    released = settings_of(home, database_url=url, redis_url=servers.redis_url)
    await asyncio.to_thread(migrate_to, released, BEFORE_PEOPLE)
    await execute(
        url,
        "INSERT INTO partner (partner, name, created_at) VALUES ('demo', 'Demo', now()),"
        " ('shop', 'Shop', now()); INSERT INTO source VALUES ('metro', 'shop')",
    )
    event, reporter = an_event(subject="alice"), replace(REPORTER, partner="shop")
    candidate = an_assessor(home).candidate(parsed(event), reporter, NOW)
    action_id, _ = await record_as_released(url, candidate)

    await asyncio.to_thread(migrate_database, released)
    async with running_app(released, SteppedClock()) as app:
        shop = await a_partner(app.state.runtime.resources.sessions, name="shop")
        demo = await a_partner(app.state.runtime.resources.sessions, name="demo")
        async with client_of(app, shop.key) as client, client_of(app, demo.key) as demo_client:
            partners = [(await one.get("/v1/partner")).json() for one in (client, demo_client)]
            again = await report(client, event)
            new = await report(client, an_event(subject="alice"))
    accounts = {
        one["action_id"]: await account_of(url, UUID(one["action_id"])) for one in (again, new)
    }

    assert [one["people"] for one in partners] == ["own", "programme"]
    assert [one["people_since"] is None for one in partners] == [False, True]
    assert (again["duplicate"], again["action_id"]) == (True, str(action_id))
    assert accounts[again["action_id"]] == candidate.person_id != accounts[new["action_id"]]


async def account_of(url: str, action_id: UUID) -> UUID:
    """The account that an action is in."""
    connection = await asyncpg.connect(url)
    found: UUID = await connection.fetchval(
        "SELECT person_id FROM action WHERE action_id = $1", action_id
    )
    await connection.close()
    return found


@pytest.mark.parametrize("schema", ["public", SANDBOX])
async def test_keys_of_the_released_version_keep_what_they_could_and_answer_for_what_there_was(
    servers: Servers, home, schema: str
) -> None:
    """A revoked key answers for nothing; where no key could, a connector waits to be confirmed."""
    url = await empty_database(servers)
    released = settings_of(home, database_url=url, redis_url=servers.redis_url)
    await asyncio.to_thread(migrate_to, released, BEFORE_PEOPLE)
    is_test = schema == SANDBOX
    await execute(url, KEYS_OF_BEFORE.replace("{is_test}", str(is_test).lower()))
    epoch = "#3" if is_test else ""
    await execute(url, f"SET search_path = {schema}; {MADE_BEFORE.replace('{epoch}', epoch)}")

    await asyncio.to_thread(migrate_database, released)

    connection = await asyncpg.connect(url)
    scopes = dict(await connection.fetch("SELECT prefix, scopes FROM api_key"))
    await connection.execute(f"SET search_path = {schema}")
    answering = dict(await connection.fetch("SELECT connector_id, key_prefix FROM connector"))
    endpoint = await connection.fetchval("SELECT key_prefix FROM webhook_endpoint")
    await connection.close()
    assert scopes["aaaaaaaaaaaa"] == ["events:write", "people:act"]
    assert scopes["dddddddddddd"] == ["webhooks:manage"]
    assert answering == {"con_of_shop": "bbbbbbbbbbbb", "con_of_hooks": None}
    assert endpoint == "dddddddddddd"


# As version 0.1.0 wrote them: a revoked key, a live one beside a younger one, one for webhooks.
KEYS_OF_BEFORE = """
    INSERT INTO partner (partner, name, created_at) VALUES
        ('shop', 'Shop', now()), ('hooks', 'Hooks', now());
    INSERT INTO api_key (prefix, partner, secret_sha256, scopes, created_at, revoked_at, is_test)
    VALUES
        ('aaaaaaaaaaaa', 'shop', '', '{events:write,points:write}', '2026-01-01', now(), {is_test}),
        ('bbbbbbbbbbbb', 'shop', '', '{events:write,points:write}', '2026-01-02', NULL, {is_test}),
        ('cccccccccccc', 'shop', '', '{events:write}', '2026-01-03', NULL, {is_test}),
        ('dddddddddddd', 'hooks', '', '{webhooks:manage}', '2026-01-01', NULL, {is_test}),
        ('eeeeeeeeeeee', 'hooks', '', '{admin}', '2025-01-01', NULL, NOT {is_test});
"""
MADE_BEFORE = """
    INSERT INTO connector (connector_id, partner, version, secrets, created_at) VALUES
        ('con_of_shop', 'shop', 1, '{}', now()), ('con_of_hooks', 'hooks', 1, '{}', now());
    INSERT INTO webhook_endpoint (endpoint_id, bucket, partner, url, types, batch_max, description,
                                  signing, sealed, created_at)
    VALUES (gen_random_uuid(), 1, 'hooks{epoch}', 'https://a.example', '{}', 1, '', 'hmac', '',
            now());
"""

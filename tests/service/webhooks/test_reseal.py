"""A new SAXAUL_SECRET_KEY takes over everything that the old one sealed, and the old one can go."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import asyncpg
import pytest
from builders import SECRET_KEY, NewSettings
from typer.testing import CliRunner, Result

from service.cli import app
from service.settings import Settings
from service.webhooks.vault import SealBroken, Vault

NEW_KEY = "3e" * 32
OLD, NEW = (Vault([bytes.fromhex(key)]) for key in (SECRET_KEY, NEW_KEY))
ENDPOINT, CONNECTOR = "00000000-0000-7000-8000-000000000001", "con_000000000000000000000001"
FOR_ENDPOINT, FOR_CONNECTOR = f"webhook-endpoint:{ENDPOINT}", f"connector:{CONNECTOR}"
MESSAGES = 250  # several batches
Run = Callable[[str], "asyncio.Future[Result]"]


async def connect(database: Settings, schema: str) -> asyncpg.Connection:
    connection = await asyncpg.connect(str(database.database_url))
    await connection.execute(f"SET search_path TO {schema}")
    return connection


async def fill(database: Settings, schema: str) -> None:
    connection = await connect(database, schema)
    await connection.execute(
        "INSERT INTO webhook_endpoint (endpoint_id, bucket, partner, url, types, batch_max, "
        "description, signing, sealed, old_sealed, created_at) "
        "VALUES ($1, 1, 'wok', 'https://x.example', '{}', 1, '', 'hmac', $2, $3, now())",
        ENDPOINT, OLD.seal("whsec_one", FOR_ENDPOINT), OLD.seal("whsec_old", FOR_ENDPOINT),
    )  # fmt: skip
    await connection.execute(
        "INSERT INTO connector (connector_id, partner, version, secrets, created_at) "
        "VALUES ($1, 'wok', 1, $2, now())",
        CONNECTOR, [OLD.seal("a", FOR_CONNECTOR), NEW.seal("b", FOR_CONNECTOR)],
    )  # fmt: skip
    await connection.executemany(
        "INSERT INTO hook_delivery (bucket, connector_id, message_key, delivery_id, digest, "
        "size_bytes, received_at, state, payload) "
        "VALUES ($1, $2, $3, gen_random_uuid(), '', 1, now(), 'quarantined', $4)",
        [(at % 7, CONNECTOR, f"m{at}", OLD.seal(f"body {at}", FOR_CONNECTOR))
         for at in range(MESSAGES)],
    )  # fmt: skip
    await connection.close()


async def opened(database: Settings, schema: str, vault: Vault) -> list[str]:
    connection = await connect(database, schema)
    endpoint = await connection.fetchrow("SELECT sealed, old_sealed FROM webhook_endpoint")
    secrets = await connection.fetchval("SELECT secrets FROM connector")
    payloads = await connection.fetch("SELECT payload FROM hook_delivery ORDER BY message_key")
    await connection.close()
    return [
        *(vault.open(one, FOR_ENDPOINT) for one in endpoint),
        *(vault.open(one, FOR_CONNECTOR) for one in secrets),
        *sorted(vault.open(row["payload"], FOR_CONNECTOR) for row in payloads),
    ]


@pytest.fixture
async def database(new_settings: NewSettings) -> Settings:
    return await new_settings()


@pytest.fixture
def run(database: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    def command(keys: str) -> "asyncio.Future[Result]":
        monkeypatch.setenv("DATABASE_URL", str(database.database_url))
        monkeypatch.setenv("REDIS_URL", str(database.redis_url))
        monkeypatch.setenv("SAXAUL_HOME", str(tmp_path))
        monkeypatch.setenv("SAXAUL_SECRET_KEY", keys)
        invoked = asyncio.to_thread(CliRunner().invoke, app, ["secrets", "reseal"])
        return asyncio.ensure_future(invoked)

    return command


async def test_the_new_key_opens_all_and_the_old_one_nothing(database: Settings, run: Run) -> None:
    for schema in ("public", "sandbox"):
        await fill(database, schema)

    first = await run(f"{NEW_KEY},{SECRET_KEY}")
    again = await run(f"{NEW_KEY},{SECRET_KEY}")

    assert first.exit_code == 0, first.output
    assert "2 endpoints, 2 connectors and 500 messages" in " ".join(first.output.split())
    assert "0 endpoints, 0 connectors and 0 messages" in " ".join(again.output.split())
    bodies = sorted(f"body {at}" for at in range(MESSAGES))
    for schema in ("public", "sandbox"):
        assert await opened(database, schema, NEW) == ["whsec_one", "whsec_old", "a", "b", *bodies]
        with pytest.raises(SealBroken):
            await opened(database, schema, OLD)
    connection = await connect(database, "public")
    acts = await connection.fetch("SELECT act FROM audit_event WHERE act = 'secrets.resealed'")
    await connection.close()
    assert len(acts) == 2  # of each run


async def test_without_the_old_key_nothing_is_changed(database: Settings, run: Run) -> None:
    await fill(database, "public")

    failed = await run("4f" * 32)

    assert failed.exit_code == 1
    assert "does not open" in failed.output
    both = Vault([bytes.fromhex(NEW_KEY), bytes.fromhex(SECRET_KEY)])
    assert len(await opened(database, "public", both)) == 4 + MESSAGES

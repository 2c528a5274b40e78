"""`saxaul setup`: from an empty server to two roles, tables and the first administrator's key."""

import asyncio
import re
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from typer.testing import CliRunner, Result

from service.cli import app
from service.embedded.postgres import prepare_postgres, start_postgres
from service.embedded.postgres_data import as_superuser
from service.resources import SettingMissing
from service.roles import login_of, make_roles

Run = Callable[[], Coroutine[Any, Any, Result]]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server with a superuser `boss` who has a password; where it is."""
    home = tmp_path_factory.mktemp("own")
    home.chmod(0o711)
    for above in home.parents[:2]:
        above.chmod(0o711)
    instance = prepare_postgres(home, 0)
    boss = "CREATE ROLE boss SUPERUSER LOGIN PASSWORD 'boss'\n"
    as_superuser(instance, instance.data, boss)
    with start_postgres(home, instance.port) as running:
        yield running.url.rpartition("@")[2].partition("/")[0]


@pytest.fixture
def urls(server: str) -> dict[str, str]:
    """The URLs of superuser, owner and application."""
    return {
        "SAXAUL_SUPERUSER_DATABASE_URL": f"postgresql://boss:boss@{server}/postgres",
        "SAXAUL_OWNER_DATABASE_URL": f"postgresql://keeper:o%27ne@{server}/ours",
        "DATABASE_URL": f"postgresql://clerk:tw%22o@{server}/ours",
    }


@pytest.fixture
def run(urls: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    for name, value in {**urls, "SAXAUL_HOME": str(tmp_path), "REDIS_URL": "redis://x"}.items():
        monkeypatch.setenv(name, value)
    return lambda: asyncio.to_thread(CliRunner().invoke, app, ["setup"])


async def test_it_makes_all_once(run: Run, urls: dict[str, str]) -> None:
    first, again = await run(), await run()

    assert (first.exit_code, again.exit_code) == (0, 0), first.output + again.output
    assert len(re.findall(r"sx_\w+", first.output)) == 1
    assert "sx_" not in again.output
    connection = await asyncpg.connect(urls["DATABASE_URL"])
    try:
        role = await connection.fetchrow("SELECT * FROM pg_roles WHERE rolname = current_user")
        owner = await connection.fetchval(
            "SELECT tableowner FROM pg_tables WHERE tablename='action'"
        )
        scopes = await connection.fetchval("SELECT scopes FROM api_key")
        acts = await connection.fetch("SELECT act FROM audit_event")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute("DELETE FROM action")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute("CREATE TABLE mine (x int)")
    finally:
        await connection.close()
    assert not any(
        role[name]
        for name in ("rolsuper", "rolcreaterole", "rolcreatedb", "rolbypassrls", "rolreplication")
    )
    assert (owner, scopes) == ("keeper", ["admin"])
    assert "key.made" in {row["act"] for row in acts}


async def test_a_role_that_could_do_more_is_made_plain(urls: dict[str, str]) -> None:
    boss = await asyncpg.connect(urls["SAXAUL_SUPERUSER_DATABASE_URL"])
    await boss.execute("CREATE ROLE spy SUPERUSER CREATEROLE LOGIN PASSWORD 'x'")
    wanted = urls["DATABASE_URL"].replace("clerk:tw%22o", "spy:y")

    await make_roles(
        urls["SAXAUL_SUPERUSER_DATABASE_URL"],
        owner_url=urls["SAXAUL_OWNER_DATABASE_URL"],
        application_url=wanted,
    )

    role = await boss.fetchrow("SELECT * FROM pg_roles WHERE rolname = 'spy'")
    await boss.close()
    assert (role["rolsuper"], role["rolcreaterole"]) == (False, False)
    await (await asyncpg.connect(wanted)).close()


@pytest.mark.parametrize(("owner", "application"), [
    ("postgresql://one:a@x/db", "postgresql://one:a@x/db"),
    ("postgresql://one:a@x/db", "postgresql://two:b@x/other"),
    ("postgresql://one@x/db", "postgresql://two:b@x/db"),
    ("postgresql://one:a@x", "postgresql://two:b@x/db"),
])  # fmt: skip
async def test_urls_name_two_roles_of_one_database(owner: str, application: str) -> None:
    with pytest.raises(SettingMissing):
        await make_roles("postgresql://x", owner_url=owner, application_url=application)


async def test_the_superuser_is_not_what_api_and_worker_are(urls: dict[str, str]) -> None:
    boss = urls["SAXAUL_SUPERUSER_DATABASE_URL"]
    with pytest.raises(SettingMissing, match="superuser"):
        await make_roles(boss, owner_url=urls["SAXAUL_OWNER_DATABASE_URL"],
                         application_url=boss.replace("/postgres", "/ours"))  # fmt: skip


async def test_without_all_urls_it_says_which(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SAXAUL_SUPERUSER_DATABASE_URL")

    failed = await run()

    assert failed.exit_code == 1
    assert "SAXAUL_SUPERUSER_DATABASE_URL" in failed.output


def test_a_url_says_who_logs_in() -> None:
    assert login_of("postgresql://a%40b:c%2Fd@h:1/e").role == "a@b"
    assert login_of("postgresql://a%40b:c%2Fd@h:1/e").password == "c/d"

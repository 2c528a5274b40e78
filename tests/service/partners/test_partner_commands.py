"""`saxaul partner`: from nothing to two keys, and what else operators do."""

import asyncio
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from builders import NewSettings, SteppedClock, an_event, client_of, report, unique
from builders import running_app as run_app
from typer.testing import CliRunner, Result

from service.cli import app
from service.settings import Settings

Run = Callable[..., Result]


@pytest.fixture
async def database(new_settings: NewSettings) -> Settings:
    return await new_settings()


@pytest.fixture
def run(database: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a command over a database of its own, in a thread, as it has a loop of its own."""
    monkeypatch.setenv("DATABASE_URL", str(database.database_url))
    monkeypatch.setenv("REDIS_URL", str(database.redis_url))
    monkeypatch.setenv("SAXAUL_HOME", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "200")
    return lambda *args: asyncio.to_thread(CliRunner().invoke, app, ["partner", *args])


async def test_two_keys_are_shown_once_with_a_ready_command(run: Run) -> None:
    made = await run("add", "wok", "--source", "wok-orders", "--name", "Golden Wok")
    listed, shown = await run("list"), await run("show", "wok")

    live, test = re.findall(r"key: (sx_\S+)", made.output)
    assert made.exit_code == 0, made.output
    assert test.startswith("sx_test_")
    assert f"Bearer {test}" in made.output
    assert "wok-orders" in made.output
    for secret in (live, test):
        assert secret.rpartition("_")[2] not in listed.output + shown.output
    assert "Golden Wok" in listed.output
    assert "test" in shown.output


async def test_what_it_shows_works_and_test_data_is_wiped(run: Run, database: Settings) -> None:
    made = await run("add", "wok", "--source", "metro")
    live, test = re.findall(r"key: (sx_\S+)", made.output)

    async with (
        run_app(database, SteppedClock()) as running,
        client_of(running, live) as client,
        client_of(running, test) as sandbox,
    ):
        event = an_event()
        results = [await report(one, event) for one in (client, sandbox)]
        wiped = await run("wipe-test", "wok")
        totals = (await sandbox.get("/v1/totals")).json()
        kept = await client.get(f"/v1/actions/{results[0]['action_id']}")
        off = await run("disable", "wok")
        refused = await client.get("/v1/partner")
        on = await run("enable", "wok")
        taken = await client.get("/v1/partner")

    assert [result["outcome"] for result in results] == ["credited", "credited"]
    assert "1 test actions of wok are gone" in wiped.output
    assert (totals["actions"], kept.status_code) == (0, 200)
    assert (off.exit_code, on.exit_code) == (0, 0)
    assert (refused.status_code, taken.status_code) == (401, 200)


async def test_whose_people_a_partner_reports_is_shown_and_changed(run: Run) -> None:
    await run("add", "wok", "--source", "wok-orders")
    await run("add", "our-app", "--source", "our-app", "--people", "programme")
    listed, changed = await run("list"), await run("people", "wok", "programme")
    shown, no_such = await run("show", "wok"), await run("people", "nobody", "own")

    whose = {row.split()[1]: row.split()[5] for row in listed.output.splitlines() if "│" in row}
    assert (whose["wok"], whose["our-app"]) == ("own", "programme")
    assert "wok reports people of the programme" in changed.output
    assert "people: programme" in shown.output
    assert no_such.exit_code == 1


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        (("add", "No", "--source", "x"), "must be 1 to 64"),
        (("add", "a#1", "--source", "x"), "must be 1 to 64"),
        (("add", "p", "--source", "x", "--scope", "all"), "there is no scope 'all'"),
        (("show", "none"), "There is no partner 'none'"),
        (("disable", "none"), "There is no partner 'none'"),
        (("enable", "none"), "There is no partner 'none'"),
        (("wipe-test", "none"), "there is no partner 'none'"),
    ],
)
async def test_what_is_wrong_is_a_sentence(
    run: Run, command: tuple[str, ...], sentence: str
) -> None:
    result = await run(*command)

    assert result.exit_code == 1
    assert sentence in result.output
    assert "Traceback" not in result.output


async def test_names_that_are_taken_are_refused(run: Run) -> None:
    name, other, source = unique("p"), unique("p"), unique("s")
    await run("add", name, "--source", source)

    again = await run("add", name, "--source", unique("s"))
    taken = await run("add", other, "--source", source)
    shown = await run("show", other)

    assert "registered already" in again.output
    assert "registered for another partner" in taken.output
    assert shown.exit_code == 1


async def test_a_test_key_is_made_by_keys_too(
    run: Run, database: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await asyncio.to_thread(
        CliRunner().invoke, app, ["keys", "add", "wok", "--source", "metro", "--test"]
    )
    admin = await asyncio.to_thread(
        CliRunner().invoke, app, ["keys", "add", "wok", "--test", "--scope", "admin"]
    )

    assert made.output.startswith("sx_test_")
    assert (admin.exit_code, "there is no scope 'admin'" in admin.output) == (1, True)

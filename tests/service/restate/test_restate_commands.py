"""The commands as an operator types them; a run that is killed ends the same."""

import asyncio
import json
import os
import re
import shlex
import signal
import sys
from pathlib import Path

import asyncpg
import httpx
import pytest
from builders import PATIENCE_S, PERSON_KEY, a_bike_ride, a_ride, catch_up, unique
from fastapi import FastAPI
from restate_versions import CLEANER, METRO, NEW_MG, OLD_MG, a_closed_ride, add_version, send
from typer.testing import CliRunner

from service.cli import app as command_line
from service.reconciliation.reconcile import reconcile
from service.settings import Settings
from service.totals.counters import Counters

ROOT = Path(__file__).parents[3]
RESTATE = ("restate", METRO, "--from", "1.0.0", "--to", "2.0.0")


def environment(settings: Settings, **more: str) -> dict[str, str]:
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("SAXAUL_", "DATABASE_URL", "REDIS_URL"))
    }
    return {
        **kept,
        "DATABASE_URL": str(settings.database_url),
        "REDIS_URL": str(settings.redis_url),
        "SAXAUL_PERSON_KEY": PERSON_KEY,
        "SAXAUL_METHODOLOGY_PATH": settings.methodology_path,
        "COLUMNS": "160",
        **more,
    }


async def start(settings: Settings, *arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "service.cli", *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env=environment(settings),
    )


async def saxaul(settings: Settings, *arguments: str) -> tuple[int, str]:
    """A command in a thread of its own, which has no loop yet: as in a program of its own."""
    runner = CliRunner(env=environment(settings))
    done = await asyncio.to_thread(runner.invoke, command_line, arguments)
    return done.exit_code, done.output


async def test_a_run_that_is_killed_half_way_ends_the_same(
    programme: FastAPI, reporter: httpx.AsyncClient, restate_settings: Settings
) -> None:
    """One account is transaction, so the run stands still before it, and is killed there."""
    await send(reporter, [a_closed_ride(a_ride) for _ in range(8)])
    blocker = await asyncpg.connect(restate_settings.database_url)
    transaction = blocker.transaction()
    await transaction.start()
    await blocker.fetch(
        "SELECT 1 FROM account ORDER BY bucket DESC, person_id DESC LIMIT 3 FOR UPDATE"
    )
    process = await start(restate_settings, *RESTATE, "--chunk", "1")

    async def done_so_far() -> int:
        return int(await blocker.fetchval("SELECT coalesce(max(people), 0) FROM methodology_run"))

    async with asyncio.timeout(PATIENCE_S):
        while await done_so_far() < 5:
            assert process.returncode is None, await process.communicate()
            await asyncio.sleep(0.05)
    at_the_kill = await done_so_far()
    second = await saxaul(restate_settings, *RESTATE)
    process.send_signal(signal.SIGKILL)
    await process.wait()
    await transaction.rollback()
    await blocker.close()

    code, text = await saxaul(restate_settings, *RESTATE, "--report", str(_report(programme)))

    assert at_the_kill == 5
    assert second[0] == 1
    assert "Another process is at it" in " ".join(second[1].split())
    assert code == 0, text
    report = json.loads(_report(programme).read_text())
    assert report["total"]["actions"] == 8
    assert report["total"]["difference_mg"] == str(8 * (NEW_MG - OLD_MG))
    await catch_up(programme)
    resources = programme.state.runtime.resources
    checks = await reconcile(resources.sessions, Counters(resources.valkey, resources.sessions))
    assert [one for one in checks if not one.holds] == []
    view = (await reporter.get("/v1/totals")).json()
    assert view["avoided_mg"] == str(8 * NEW_MG)


def _report(app: FastAPI) -> Path:
    settings = app.state.runtime.resources.settings
    home: Path = settings.home
    return home / f"report-{settings.database_url.rpartition('/')[2]}.json"


async def test_the_commands_say_what_they_did(
    programme: FastAPI, reporter: httpx.AsyncClient, restate_settings: Settings
) -> None:
    await send(reporter, [a_closed_ride(a_ride) for _ in range(2)])

    tried = await saxaul(restate_settings, *RESTATE, "--dry-run")
    compared = await saxaul(
        restate_settings, "shadow", METRO, "--alternative", "transit.metro@2.0.0"
    )
    listed = await saxaul(restate_settings, "shadow", "list")
    run_id = compared[1].split("Run ")[1].split(":")[0]
    shown = await saxaul(restate_settings, "shadow", "show", run_id)
    versions = await saxaul(restate_settings, "versions", "list")

    assert [one[0] for one in (tried, compared, listed, shown, versions)] == [0] * 5, tried[1]
    assert "44.144" in tried[1]  # 2 * 22,072 mg in grams
    assert "R13 asks to log it only." in tried[1]
    assert "1.0278" in compared[1]
    assert run_id[:8] in listed[1]
    assert "It is never counted." in shown[1]
    assert "2027-01-01 to 2035-12-31" in versions[1]


async def test_what_the_guide_tells_to_type_works(
    programme: FastAPI, reporter: httpx.AsyncClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a folder where somebody has written the second version of the bicycle sheet."""
    own = tmp_path / "methodologies"
    title = {"methodology.yaml": ("title: A bicycle ride", "title: A bike ride")}
    add_version(own, 2, changes=title, published=False, of="cycle_bike")
    sheet = own / "cycle_bike/v2/methodology.yaml"
    sheet.write_text(sheet.read_text().replace("status: draft", "status: published"))
    monkeypatch.chdir(tmp_path)
    settings = programme.state.runtime.resources.settings.model_copy(
        update={"methodology_path": "methodologies"}
    )
    await send(reporter, [a_closed_ride(a_bike_ride, {"region": "CN-BJ"}) for _ in range(2)])
    guide = (ROOT / "docs/restatement.md").read_text()
    lines = [
        shlex.split(line)[1:]
        for block in re.findall(r"```sh\n(.*?)```", guide, re.DOTALL)
        for line in block.splitlines()
    ]
    withdrawing = [line for line in lines if line[:2] == ["versions", "withdraw"]]
    run_id = ""

    for line in (*(one for one in lines if one not in withdrawing), *withdrawing):
        arguments = [run_id if word == "RUN" else word for word in line]
        code, text = await saxaul(settings, *arguments)
        assert code == 0, (arguments, text)
        found = re.search(r"Run ([0-9a-f-]{36})", " ".join(text.split()))
        run_id = found[1] if found else run_id

    assert len(lines) == 10
    assert json.loads((tmp_path / "effect.json").read_text())["total"]["actions"] == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((*RESTATE, "--between", "2026-03-01", "2035-01-01"), "R13: days after"),
        ((*RESTATE, "--between", "soon", "2026-03-01"), "'soon' is not a day"),
        (("restate", METRO, "--from", "1.0.0", "--to", "9.0.0"), "R12: there is no"),
        (("shadow", METRO, "--alternative", "x@1.0.0"), "there is no x@1.0.0"),
        (("shadow", METRO, "--alternative", "transit.metro@2.0.0", "--sample", "2"), "a sample is"),
        (("shadow", "show", "00000000-0000-0000-0000-000000000000"), "There is no shadow run"),
    ],
)
async def test_bad_input_says_what_is_wrong(
    restate_settings: Settings, arguments: tuple[str, ...], said: str
) -> None:
    code, text = await saxaul(restate_settings, *arguments)

    assert code == 1
    assert said in " ".join(text.split()), text
    assert "Traceback" not in text


async def test_a_draft_and_a_withdrawn_version_are_no_target(
    restate_settings: Settings, tmp_path: Path
) -> None:
    add_version(tmp_path, 2, changes=CLEANER, published=False)
    settings = restate_settings.model_copy(update={"methodology_path": str(tmp_path)})
    draft = await saxaul(settings, *RESTATE)
    sheet = tmp_path / "transit_metro/v2/methodology.yaml"
    sheet.write_text(sheet.read_text().replace("status: draft", "status: published"))
    published = await saxaul(settings, "versions", "publish", "--folder", str(tmp_path))
    early = await saxaul(
        settings,
        "versions",
        "force",
        "transit.metro@2.0.0",
        "2026-01-01",
        "--folder",
        str(tmp_path),
    )
    forced = await saxaul(
        settings,
        "versions",
        "force",
        "transit.metro@2.0.0",
        "2035-01-01",
        "--folder",
        str(tmp_path),
    )
    withdrawn = await saxaul(
        settings,
        *("versions", "withdraw", "transit.metro@2.0.0", unique("misread")),
        *("--folder", str(tmp_path)),
    )
    after = await saxaul(settings, *RESTATE)

    assert (draft[0], "R12: transit.metro@2.0.0 is a draft" in draft[1]) == (1, True), draft[1]
    assert [published[0], forced[0], withdrawn[0]] == [0, 0, 0], (published, forced, withdrawn)
    assert (early[0], "rule 6.1" in early[1]) == (1, True), early[1]
    assert after[0] == 1
    assert "R12: transit.metro@2.0.0 is withdrawn" in after[1]

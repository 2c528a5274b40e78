"""The steps of `docs/writing-a-methodology.md` are typed here, in their order."""

import os
import re
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from builders import NewSettings

from service.app import create_app
from service.settings import Settings

ROOT = Path(__file__).parents[2]
TUTORIAL = (ROOT / "docs" / "writing-a-methodology.md").read_text()
STEPS = re.findall(r"```sh\n(.*?)```", TUTORIAL, re.DOTALL)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a reader types, after the last step, with the output of each in `printed`."""
    folder = tmp_path_factory.mktemp("tutorial")
    saxaul = folder / "bin" / "saxaul"
    saxaul.parent.mkdir()
    saxaul.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m service.cli "$@"\n')
    saxaul.chmod(0o755)
    script = "\n".join(f"{step}\necho '=== {n}'" for n, step in enumerate(STEPS))
    done = subprocess.run(
        ["sh", "-eu", "-c", script],
        cwd=folder,
        env={
            "PATH": f"{saxaul.parent}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "COLUMNS": "200",
        },
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (folder / "printed").write_text(done.stdout)
    return folder


def test_every_step_works_and_prints_what_the_page_says(folder: Path) -> None:
    printed = (folder / "printed").read_text()

    shown = re.findall(r"```text\n(.*?)```", TUTORIAL, re.DOTALL)
    assert shown
    for said in shown:
        assert said in printed
    assert "as expected: the cases are not mine yet" in printed
    assert "Published and locked: water.refill@1.0.0" in printed
    assert "246000" in printed
    assert "site/methodologies/water.refill-1.0.0.html" in printed


async def test_the_service_takes_such_events(folder: Path, new_settings: NewSettings) -> None:
    settings: Settings = await new_settings(methodology_path=str(folder / "mine"))
    app = create_app(settings)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client,
    ):
        listed = (await client.get("/v1/methodologies")).json()["data"]
        rows = (await client.get("/v1/factors", params={"id": "cn.water.bottle"})).json()["data"]
        answer = await client.get("/methodologies/water.refill-1.0.0.html")
        catalogue = app.state.runtime.intake.assessor.catalogue

    assert "water.refill" in {one["id"] for one in listed}
    assert (rows[0]["value"], rows[0]["area"]) == ("62.4", None)
    assert answer.status_code == 200
    assert "water.refill" in catalogue.activities

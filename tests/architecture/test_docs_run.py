"""What the documents tell people to type is typed here, against a real server."""

import asyncio
import json
import os
import re
import shutil
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from builders import PATIENCE_S, PERSON_KEY

from service.app import create_app
from service.cli import COMMANDS
from service.demo import put_demo
from service.partners.person import PersonId
from service.partners.person_key import hasher_under
from service.points.store import append_entry, lock_account
from service.resources import Resources, open_resources
from service.settings import Settings

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
README = (ROOT / "README.md").read_text()
EXAMPLES = sorted((DOCS / "examples").glob("*.sh"))
TREE_POINTS = 17_900
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *DOCS.rglob("*.md")]

pytestmark = pytest.mark.skipif(shutil.which("curl") is None, reason="the examples use curl")


@dataclass(frozen=True)
class Running:
    """A server with the demo data, and a folder in which `make up` might have been typed."""

    url: str
    folder: Path
    key: str

    async def answer(self, script: str, **names: str) -> Any:
        """What a shell script prints, as JSON."""
        environment = {
            "PATH": os.environ["PATH"],
            "NO_PROXY": "127.0.0.1",
            "URL": self.url,
            "KEY": self.key,
            **names,
        }
        process = await asyncio.create_subprocess_exec(
            "sh", "-eu", "-c", script, cwd=self.folder, env=environment, stdout=-1, stderr=-1
        )
        printed, complaint = await asyncio.wait_for(process.communicate(), PATIENCE_S)
        assert process.returncode == 0, complaint.decode()
        return json.loads(printed)


@pytest.fixture(scope="module")
async def running(
    new_settings: Callable[..., Awaitable[Settings]], tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Running]:
    folder = tmp_path_factory.mktemp("docs")
    home = folder / ".saxaul"
    home.mkdir()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        settings = await new_settings(port=listener.getsockname()[1])
        async with open_resources(settings) as resources:
            hasher = hasher_under(bytes.fromhex(PERSON_KEY))
            await put_demo(resources, hasher, home)
            await give_points(resources, hasher.person("alice"))
        key = json.loads((home / "demo.json").read_text())["partner_key"]
        server = uvicorn.Server(uvicorn.Config(create_app(settings), log_level="warning"))
        serving = asyncio.create_task(server.serve([listener]))
        while not server.started:
            assert not serving.done()
            await asyncio.sleep(0.01)
        yield Running(url, folder, key)
        server.should_exit = True
        await serving


async def give_points(resources: Resources, person: PersonId) -> None:
    """Enough for the tree that the tour orders."""
    async with resources.sessions() as session, session.begin():
        now = resources.clock()
        balance = await lock_account(session, person, now) + TREE_POINTS
        await append_entry(
            session, person, kind="grant", points=TREE_POINTS, balance_after=balance, ref="{}",
            now=now,
        )  # fmt: skip


def blocks_in(language: str) -> list[str]:
    """The README's blocks in one language."""
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


async def test_the_first_curl_earns_what_the_readme_says(running: Running) -> None:
    script = next(block for block in blocks_in("sh") if "curl" in block)
    said = json.loads(blocks_in("json")[0])

    answer = await running.answer(script.replace("http://127.0.0.1:8000", running.url))

    assert answer.keys() == said.keys()
    same = answer.keys() - {"id", "action_id", "local_day", "ripens_at"}
    assert {name: answer[name] for name in same} == {name: said[name] for name in same}
    assert answer["ripens_at"][10:] == said["ripens_at"][10:]


@pytest.fixture(scope="module")
async def answers(running: Running) -> Mapping[str, Any]:
    """What each example prints, run in their order as a reader would."""
    now = datetime.now(timezone(timedelta(hours=8))).isoformat(timespec="seconds")
    names = {"ID": "1", "ACTION": "", "NOW": now}
    found: dict[str, Any] = {}
    for example in EXAMPLES:
        found[example.name] = await running.answer(example.read_text(), **names)
        names["ACTION"] = found[example.name].get("action_id", names["ACTION"])
    return found


@pytest.mark.parametrize("name", [example.name for example in EXAMPLES])
def test_an_example_is_answered(answers: Mapping[str, Any], name: str) -> None:
    assert not str(answers[name].get("type", "")).startswith("/problems/"), answers[name]


def test_the_examples_show_what_the_tour_says(answers: Mapping[str, Any]) -> None:
    assert answers["01-report-a-ride.sh"]["avoided_mg"] == "794592"
    assert answers["02-report-a-batch.sh"]["counts"] == {"credited": 2, "problem": 1}
    assert answers["03-estimate.sh"]["avoided_mg"] == "255840"
    assert answers["08-reverse.sh"]["from_earning"] == 794


def test_the_tour_shows_every_example_as_it_is() -> None:
    tour = (DOCS / "api.md").read_text()

    for example in EXAMPLES:
        command = example.read_text().partition("\n")[2]
        assert command.strip() in tour, example.name


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), target


def test_the_readme_names_every_command() -> None:
    named = set(re.findall(r"^\| `saxaul ([a-z-]+)", README, re.MULTILINE))

    assert named == {name for name, location in COMMANDS.items() if not location.hidden}

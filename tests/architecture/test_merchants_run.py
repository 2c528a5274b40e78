"""What the merchants' page tells people to type is typed here, from key to credited order."""

import asyncio
import json
import os
import re
import shutil
import socket
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from builders import PERSON_KEY, NewSettings

from service.app import create_app, fast_path_of
from service.demo import put_demo
from service.partners.person_key import hasher_under
from service.resources import open_resources

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "merchants.md").read_text()
SHELL, PYTHON, JAVASCRIPT, JSON = (
    re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    for language in ("sh", "python", "javascript", "json")
)
AFTER = 'printf "%s\\n%s\\n" "$HOOK" "$SECRET" > hook.txt'

pytestmark = pytest.mark.skipif(
    not (shutil.which("curl") and shutil.which("openssl")), reason="the page uses curl and openssl"
)


@dataclass(frozen=True)
class MerchantSystem:
    """A folder in which `make up` might have been typed, and a server that runs there."""

    url: str
    folder: Path

    async def run(self, *command: str, given: str = "", **names: str) -> str:
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        process = await asyncio.create_subprocess_exec(
            *command,
            cwd=self.folder,
            env={"PATH": path, "NO_PROXY": "127.0.0.1", **names},
            stdin=-1,
            stdout=-1,
            stderr=-1,
        )
        printed, complaint = await asyncio.wait_for(process.communicate(given.encode()), 60)
        assert process.returncode == 0, complaint.decode()
        return printed.decode()


@pytest.fixture(scope="module")
async def merchant(
    new_settings: NewSettings, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[MerchantSystem]:
    folder = tmp_path_factory.mktemp("merchants")
    home = folder / ".saxaul"
    home.mkdir()
    saxaul = folder / "saxaul"
    saxaul.write_text(
        f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec "{sys.executable}" -m service.cli "$@"\n'
    )
    saxaul.chmod(0o755)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        issuer = f"file://{home}/issuer/jwks.json"
        settings = await new_settings(port=port, oidc_jwks_url=issuer)
        async with open_resources(settings) as resources:
            await put_demo(resources, hasher_under(bytes.fromhex(PERSON_KEY)), home)
        app = fast_path_of(create_app(settings), slow_seconds=60)
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="on"))
        serving = asyncio.create_task(server.serve([listener]))
        while not server.started:
            assert not serving.done()
            await asyncio.sleep(0.01)
        yield MerchantSystem(f"http://127.0.0.1:{port}", folder)
        server.should_exit = True
        await serving


@pytest.fixture(scope="module")
async def printed(merchant: MerchantSystem) -> list[Any]:
    """What the shell blocks print, one after the other as a reader would type them."""
    *blocks, last = SHELL
    programs = [
        ("python", PYTHON[0]),
        ("javascript", JAVASCRIPT[0]),
    ]
    script = "\n".join(["PATH=$PWD:$PATH", *blocks, AFTER])
    script = script.replace("http://127.0.0.1:8000", merchant.url)
    found = objects(await merchant.run("sh", "-eu", "-c", script))
    hook, secret = (merchant.folder / "hook.txt").read_text().split()
    for language, program in programs:
        command = (sys.executable, "-") if language == "python" else ("node", "-")
        if shutil.which(command[0]) or language == "python":
            found += objects(await merchant.run(*command, given=program, HOOK=hook, SECRET=secret))
    connector = hook.rpartition("/")[2]
    test_key = (merchant.folder / "keys.txt").read_text().split("test key: ")[1].split()[0]
    names = {"URL": merchant.url, "TEST": test_key, "CONNECTOR": connector}
    found += objects(await merchant.run("sh", "-eu", "-c", last, **names))
    return found


def objects(text: str) -> list[Any]:
    """JSON values that stand one behind the other."""
    found, decoder, at = [], json.JSONDecoder(), 0
    while at < len(text.rstrip()):
        value, at = decoder.raw_decode(text, at)
        found.append(value)
        at += len(text[at:]) - len(text[at:].lstrip())
    return found


def test_the_try_shows_what_would_come_of_it(printed: list[Any]) -> None:
    delivered, _ = printed[0]["items"]

    assert delivered["applies"] is True
    assert delivered["estimate"]["avoided_mg"] == "12521"


def test_each_language_credits_an_order(printed: list[Any]) -> None:
    orders = [one for one in printed if "delivery_id" in one]
    said = json.loads(JSON[0])

    assert len(orders) == (3 if shutil.which("node") else 2)
    for order in orders:
        assert (order["counts"], order["skipped"]) == (said["counts"], said["skipped"])
        shown = {name: order["results"][0][name] for name in ("outcome", "avoided_mg", "points")}
        assert said["results"][0].items() >= shown.items()


def test_a_customers_points_become_a_persons(printed: list[Any]) -> None:
    reported = next(one for one in printed if one.get("source") == "golden-wok")
    asked = next(one for one in printed if "code" in one)
    linked = next(one for one in printed if "moved_points" in one)
    collected = next(one for one in printed if "earnings" in one)
    state = next(one for one in printed if "linked" in one)

    assert (linked["scenario"], linked["moved_points"]) == (
        "orders without cutlery",
        reported["points"],
    )
    assert collected["points"] == 0
    assert (state["linked"], state["person"]) == (True, asked["person"])


def test_the_test_totals_are_its_own_and_are_wiped(printed: list[Any]) -> None:
    totals, deliveries, wiped = printed[-3:]
    count = 3 if shutil.which("node") else 2

    assert totals["actions"] == len(deliveries["data"]) == wiped["actions"] == count


def test_the_programs_are_as_short_as_promised() -> None:
    for program in (*PYTHON, *JAVASCRIPT):
        assert len(program.strip().splitlines()) <= 15

"""The pages that people open: figures without a script, nothing from elsewhere, kept by ETag."""

import json
import re
import shutil
import subprocess
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import httpx
import pytest
from builders import a_bus_ride, an_event
from fastapi import FastAPI

from service.web import figures
from service.web.files import FOLDER, file
from service.web.page import home_page

NBSP = "\N{NO-BREAK SPACE}"
TOTALS: dict[str, Any] = {
    "as_of": "2026-06-15T04:00:00Z",
    "avoided_mg": "0",
    "actions": 0,
    "people": 0,
    "points": 0,
    "trees": {"contracted": 1, "planted": 2, "surviving": 3},
    "by_activity": [],
    "by_methodology": [],
    "by_evidence_level": [],
    "by_region": [],
    "goal": {
        "target_mg": "1500000000000000000",
        "from": "2021-01-01",
        "to": "2035-12-31",
        "avoided_mg": "0",
        "share": "0.000000000000",
        "run_rate_mg_per_year": "0",
        "required_rate_mg_per_year": None,
        "projected_year": None,
    },
    "uncertainty": {"relative_pct": None, "method": "95 percent"},
}
MASSES = {
    "0": ("0", "g"),
    "999": ("999", "mg"),
    "1000": ("1.000", "g"),
    "794592": ("794.5", "g"),
    "999999999": ("999.9", "kg"),
    "1000000000": ("1.000", "t"),
    "164672001803426510": ("164.6", "Mt"),
    "1500000000000000000": ("1.500", "Gt"),
    "-1234567": ("−1.234", "kg"),
}
PERCENTS = {
    "0.000000000000": "0",
    "0.000000000223": "0.0000000223",
    "0.000529728000": "0.0529",
    "0.077012345678": "7.7",
    "0.123456789012": "12.34",
    "1.000000000000": "100",
    "12.500000000000": "1,250",
}
COUNTS = {"0": "0", "999": "999", "1000": "1,000", "1234567": "1,234,567"}


class Seen(HTMLParser):
    """What a page refers to, and the elements that are open at its end."""

    EMPTY = frozenset(("meta", "link", "br", "input", "hr", "img"))

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.names: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        self.addresses += [value or "" for name, value in attrs if name in ("href", "src")]
        assert "style" not in dict(attrs), "the page's own policy forbids style attributes"
        if tag not in self.EMPTY:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def seen(page: str) -> Seen:
    found = Seen()
    found.feed(page)
    assert found.open == []
    return found


def figure(page: str, path: str) -> str:
    """The text of the page's element that shows one value of the totals."""
    found = re.search(rf'data-path="{re.escape(path)}"[^>]*>([^<]*)<', page)
    assert found, path
    return found[1]


@pytest.mark.parametrize(("milligrams", "shown"), MASSES.items())
def test_a_mass_is_scaled_and_never_rounded_up(milligrams: str, shown: tuple[str, str]) -> None:
    assert figures.mass(milligrams) == shown


@pytest.mark.parametrize(("share", "shown"), PERCENTS.items())
def test_a_small_share_keeps_its_first_digits(share: str, shown: str) -> None:
    assert figures.percent(share) == shown


@pytest.mark.skipif(shutil.which("node") is None, reason="the script is run by node")
def test_the_script_writes_what_the_server_writes() -> None:
    script = (
        f"const {{ mass, count, percent }} = require({json.dumps(str(FOLDER / 'home.js'))});"
        "const given = JSON.parse(process.argv[1]);"
        "console.log(JSON.stringify([given[0].map(mass), given[1].map(percent),"
        " given[2].map(count)]));"
    )
    given = json.dumps([list(MASSES), list(PERCENTS), list(COUNTS)])

    done = subprocess.run(
        ["node", "-e", script, given], capture_output=True, check=True, timeout=30
    )

    masses, percents, counts = json.loads(done.stdout)
    assert [tuple(one) for one in masses] == list(MASSES.values())
    assert percents == list(PERCENTS.values())
    assert counts == list(COUNTS.values()) == [figures.count(one) for one in COUNTS]


def test_every_figure_that_the_script_updates_is_in_the_totals() -> None:
    template = file("home.html").content.decode()

    paths = re.findall(r'data-path="([^"]+)"', template)

    assert paths
    for path in paths:
        value: Any = TOTALS
        for name in path.split("."):
            assert name in value, path
            value = value[name]


def test_names_from_elsewhere_are_escaped() -> None:
    rows = [{"activity": "<b>&", "avoided_mg": "5", "actions": 1}]
    assets = dict.fromkeys(("icon_svg", "home_css", "home_js"), "/x")

    page = home_page(
        file("home.html").content.decode(), {**TOTALS, "by_activity": rows}, {}, assets
    )

    assert "<b>&<" not in page
    assert "<code>&lt;b&gt;&amp;</code>" in page
    assert figure(page, "goal.required_rate_mg_per_year") == "over"
    assert figure(page, "uncertainty.relative_pct") == "not known yet"


async def test_the_page_shows_the_totals_without_a_script(
    public: httpx.AsyncClient, partner: httpx.AsyncClient
) -> None:
    for event in (an_event(), a_bus_ride()):
        (await partner.post("/v1/events", json=event)).raise_for_status()

    page = await public.get("/")

    assert page.status_code == 200
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    totals = (await public.get("/v1/totals")).json()
    assert figure(page.text, "goal.required_rate_mg_per_year") == NBSP.join(
        figures.mass(totals["goal"]["required_rate_mg_per_year"])
    )
    assert {"header", "nav", "main", "footer", "h1"} <= set(seen(page.text).names)


@pytest.mark.parametrize("path", ["/", "/docs"])
async def test_nothing_comes_from_elsewhere(public: httpx.AsyncClient, path: str) -> None:
    page = await public.get(path)

    addresses = seen(page.text).addresses
    assert all(one.startswith(("/", "#")) and not one.startswith("//") for one in addresses)
    assert "default-src 'none'" in page.headers["content-security-policy"]
    for one in (name for name in addresses if name.startswith("/assets/")):
        asset = await public.get(one)
        assert asset.status_code == 200
        assert "immutable" in asset.headers["cache-control"]
        assert not re.search(r"https?://(?!www\.w3\.org/)", asset.text)


@pytest.mark.parametrize("path", ["/", "/docs", "/assets/home.css"])
async def test_a_page_that_the_browser_has_is_not_sent_again(
    public: httpx.AsyncClient, path: str
) -> None:
    first = await public.get(path)

    again = await public.get(path, headers={"If-None-Match": f'"other", W/{first.headers["etag"]}'})

    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == first.headers["etag"]


async def test_an_old_address_of_an_asset_is_not_kept_for_good(public: httpx.AsyncClient) -> None:
    asset = await public.get("/assets/home.js", params={"v": "old"})

    assert asset.headers["cache-control"] == "public, max-age=300"


@pytest.mark.parametrize("name", ["home.html", "nothing", "..%2Fpage.py", "%00"])
async def test_only_the_assets_are_served(public: httpx.AsyncClient, name: str) -> None:
    answer = await public.get(f"/assets/{name}")

    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"


async def test_the_pages_are_no_part_of_the_api(public: httpx.AsyncClient) -> None:
    paths = (await public.get("/openapi.json")).json()["paths"]

    assert not {"/", "/docs", "/assets/{name}"} & set(paths)


async def test_without_the_database_the_page_says_so(
    app: FastAPI, public: httpx.AsyncClient
) -> None:
    class Away:
        async def body(self) -> bytes:
            raise ConnectionRefusedError

    runtime = app.state.runtime
    app.state.runtime = replace(runtime, totals=Away())
    try:
        page = await public.get("/")
    finally:
        app.state.runtime = runtime

    assert page.status_code == 503
    assert page.headers["retry-after"] == "5"
    assert "cannot be read at the moment" in page.text


@pytest.mark.parametrize("name", ["home.html", "home.js", "away.html"])
def test_public_words_promise_nothing(name: str) -> None:
    text = Path(FOLDER / name).read_text()

    assert not re.search(r"\b(offset|neutral|saved|savings?)\b", text, re.IGNORECASE)

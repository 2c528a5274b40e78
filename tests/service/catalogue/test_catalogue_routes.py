"""The catalogue of methodologies over HTTP: sheets, factors and pages."""

import httpx

from methodologies.catalogue import load_catalogue
from methodologies.catalogue_site.pages import site_pages
from methodologies.folder import PACKAGED

CATALOGUE = load_catalogue()
PAGES = site_pages(CATALOGUE)


async def test_every_version_is_listed_with_its_digest(public: httpx.AsyncClient) -> None:
    listed = (await public.get("/v1/methodologies")).json()["data"]

    lock = (PACKAGED / "LOCK").read_text()
    assert {one["id"] for one in listed} >= {"transit.metro", "cycle.bike", "paper.einvoice"}
    published = [one for one in listed if one["status"] != "draft"]
    assert all(f"{one['id']}@{one['version']} {one['digest']}" in lock for one in published)


async def test_a_version_is_shown_whole(public: httpx.AsyncClient) -> None:
    body = (await public.get("/v1/methodologies/transit.metro/1.0.0")).json()

    assert body["sheet"]["inputs"]["distance_km"]["unit"] == "km"
    assert body["status"] == "published"


async def test_an_unknown_version_is_not_found(public: httpx.AsyncClient) -> None:
    answer = await public.get("/v1/methodologies/transit.metro/9.0.0")

    assert (answer.status_code, answer.json()["type"]) == (404, "/problems/methodology-not-found")


async def test_every_factor_has_a_source_and_a_unit(public: httpx.AsyncClient) -> None:
    factors = (await public.get("/v1/factors")).json()["data"]

    assert factors
    assert all(one["source"]["title"] and one["unit"] and one["confidence"] for one in factors)


async def test_factors_are_found_by_id_region_and_day(public: httpx.AsyncClient) -> None:
    async def count(**params: str) -> int:
        return len((await public.get("/v1/factors", params=params)).json()["data"])

    assert await count(id="us.travel.car", on="2026-06-01") > 0
    assert await count(id="us.travel.car", on="2024-06-01") == 0
    assert await count(id="us.travel.car", region="CN") == 0
    assert await count(id="no.such.factor") == 0


async def test_a_whole_sheet_has_its_rules_factors_and_cases(public: httpx.AsyncClient) -> None:
    body = (await public.get("/v1/methodologies/transit.metro/1.0.0")).json()

    rule = body["sheet"]["rules"]["CN"]["mode_mix"]
    assert (rule["formulas"]["baseline"], rule["cf"]) == ("{distance_km} * {mix} * 1000", "0.89")
    assert {one["id"] for one in body["factors"]} >= set(rule["factors"].values())
    case = next(one for one in body["cases"] if one["name"].startswith("TV-001"))
    assert case["expect"]["credited_mg"] == "794592"
    assert case["given"]["data"] == {"distance_km": "12.4"}
    assert all(body["sheet"][name] for name in ("double_counting", "exclusivity", "uncertainty"))


async def test_factors_come_page_by_page_each_once(public: httpx.AsyncClient) -> None:
    seen: list[str] = []
    cursor = None
    while True:
        params = {"limit": "100", **({"cursor": cursor} if cursor else {})}
        page = (await public.get("/v1/factors", params=params)).json()
        seen += [f"{one['id']}@{one['version']}" for one in page["data"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break

    assert len(seen) == len(set(seen)) >= 356
    assert seen == sorted(seen, key=lambda key: key.split("@"))


async def test_a_row_says_everything_that_is_known(public: httpx.AsyncClient) -> None:
    (row,) = (await public.get("/v1/factors", params={"id": "cn.travel.metro"})).json()["data"]

    assert (row["value"], row["unit"], row["gas_coverage"]) == ("0.032", "kgCO2/pkm", "co2")
    assert (row["area"], row["version"], row["superseded_by"]) == ("travel", "1", None)
    assert row["used_by"] == [
        edition.reference
        for edition in CATALOGUE.editions()
        if any(f.id == row["id"] for f in CATALOGUE.factors_of(edition.id, edition.version))
    ]
    assert {"transit.metro@1.0.0", "vehicle.stop@1.0.0"} <= set(row["used_by"])
    assert row["licence"] is None
    assert row["review_by"] > row["checked_on"]


async def test_a_family_is_asked_for_a_day(public: httpx.AsyncClient) -> None:
    params = {"id": "cn.grid.avg_co2", "region": "CN", "on": "2021-07-01"}

    rows = (await public.get("/v1/factors", params=params)).json()["data"]

    assert [row["id"] for row in rows] == ["cn.grid.avg_co2.2021"]


async def test_a_wrong_question_is_said(public: httpx.AsyncClient) -> None:
    for params in ({"on": "soon"}, {"limit": "0"}, {"cursor": "x"}, {"id": "x" * 200}):
        answer = await public.get("/v1/factors", params=params)

        assert answer.status_code == 422, params
        assert answer.json()["errors"][0]["pointer"]


async def test_the_api_serves_the_same_pages(public: httpx.AsyncClient) -> None:
    start = await public.get("/methodologies", follow_redirects=True)
    metro = await public.get("/methodologies/transit.metro-1.0.0.html")
    style = await public.get("/methodologies/catalogue.css")
    again = await public.get(
        "/methodologies/catalogue.css", headers={"If-None-Match": style.headers["etag"]}
    )

    assert start.text == PAGES["index.html"]
    assert metro.text == PAGES["transit.metro-1.0.0.html"]
    assert "default-src 'none'" in metro.headers["content-security-policy"]
    assert style.headers["content-type"].startswith("text/css")
    assert again.status_code == 304


async def test_a_page_that_is_not_there_is_not_found(public: httpx.AsyncClient) -> None:
    for name in ("no.html", "..%2Fsettings.py", "layout.html"):
        answer = await public.get(f"/methodologies/{name}")

        assert answer.status_code == 404

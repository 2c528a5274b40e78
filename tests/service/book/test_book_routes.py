"""The methodology book over HTTP."""

import httpx

from methodologies.folder import PACKAGED


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

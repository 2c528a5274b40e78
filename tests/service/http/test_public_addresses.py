"""No answer reflects our address as a request says it; what is about somebody, no cache keeps."""

from collections.abc import AsyncIterator

import httpx
import pytest
from builders import NewSettings, Running, SteppedClock, an_event, client_of, report, running_app
from fastapi import FastAPI

from service.app import fast_path_of
from service.http.addresses import hosts_of, is_over_tls, is_served, public_url_of
from service.settings import Settings

EVIL = "evil.example"
PAGES = (
    "/", "/docs", "/methodologies", "/methodologies/", "/openapi.json", "/v1/totals", "/v1/totals/",
    "/v1/projects", "/v1/projects/", "/problems", "/problems/", "/nowhere", "/v1/certificates/x",
    "//evil.example/", "/v1/factors", "/healthz/", "/v1/leaderboards/CN",
)  # fmt: skip


def from_address(app: FastAPI, host: str, **headers: str) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(fast_path_of(app, slow_seconds=60), client=(host, 1))
    return httpx.AsyncClient(transport=transport, base_url="http://saxaul.test", headers=headers)


@pytest.mark.parametrize("path", PAGES)
async def test_no_answer_holds_the_host_of_its_request(
    public: httpx.AsyncClient, path: str
) -> None:
    headers = {"Host": EVIL, "X-Forwarded-Host": EVIL, "X-Forwarded-Proto": "https",
               "Accept": "text/html"}  # fmt: skip
    answer = await public.get(httpx.URL("http://saxaul.test").join(path).copy_with(
        host="saxaul.test"), headers=headers)  # fmt: skip

    shown = answer.text.replace(path, "")
    assert EVIL not in shown
    assert EVIL not in str(answer.headers.get("location", ""))


async def test_only_listed_hosts_are_served(new_settings: NewSettings) -> None:
    settings = await new_settings(
        hosts="api.example, other.example", public_url="https://pub.example"
    )
    async with running_app(settings, SteppedClock()) as app, client_of(app) as client:
        served = [
            (await client.get("/healthz", headers={"Host": host})).status_code
            for host in ("api.example", "API.example:8443", "other.example", "pub.example",
                         "127.0.0.1:8000", "localhost", "[::1]:8000")
        ]  # fmt: skip
        refused = [
            await client.get("/healthz", headers={"Host": host})
            for host in (EVIL, "", "api.example.evil.example", "xapi.example", "api.example@evil")
        ]

    assert served == [200] * 7
    for answer in refused:
        assert answer.status_code == 421
        assert answer.json()["type"] == "/problems/host-not-served"
        assert EVIL not in answer.text


def test_a_request_names_its_host_once() -> None:
    hosts = frozenset(("a.example",))

    assert is_served([(b"host", b"a.example")], hosts)
    assert not is_served([], hosts)
    assert not is_served([(b"host", b"a.example"), (b"host", b"b.example")], hosts)


@pytest.mark.parametrize(("settings", "url"), [
    ({"public_url": "https://a.example/api/"}, "https://a.example/api"),
    ({"host": "127.0.0.1", "port": 8000}, "http://127.0.0.1:8000"),
    ({"host": "::1", "port": 8000}, "http://[::1]:8000"),
])  # fmt: skip
def test_the_settings_say_where_the_public_reaches_us(settings: dict, url: str) -> None:
    assert public_url_of(Settings(**settings)) == url
    assert is_over_tls(Settings(**settings)) == url.startswith("https")
    assert hosts_of(Settings(**settings)) == frozenset()


@pytest.mark.parametrize("wrong", ["a.example", "ftp://a.example", "https://", "https://u@a.example",
                                   "https://a.example?x", "javascript:alert(1)"])  # fmt: skip
def test_what_is_no_public_url_is_refused_at_the_start(wrong: str) -> None:
    with pytest.raises(ValueError, match="public_url"):
        Settings(public_url=wrong)


async def test_what_is_about_somebody_is_kept_by_nobody(
    partner: httpx.AsyncClient, public: httpx.AsyncClient
) -> None:
    event = an_event()
    await report(partner, event)
    subject = event["subject"]
    for path in ("", "/actions", "/earnings", "/entries", "/statement", "/profile", "/nowhere"):
        answer = await partner.get(f"/v1/people/{subject}{path}")
        assert answer.headers["cache-control"] == "no-store", path
    refused = await public.get(f"/v1/people/{subject}")
    assert refused.headers["cache-control"] == "no-store"
    assert (await public.get("/v1/totals")).headers["cache-control"] == "public, max-age=1"
    assert (await public.get("/")).headers["cache-control"] != "no-store"


async def test_it_is_so_without_the_counting_of_requests(app: FastAPI) -> None:
    transport = httpx.ASGITransport(fast_path_of(app, slow_seconds=None))
    async with httpx.AsyncClient(transport=transport, base_url="http://saxaul.test") as client:
        answer = await client.get("/v1/people/me")

    assert answer.headers.get_list("cache-control") == ["no-store"]


@pytest.fixture(params=["http://saxaul.test", "https://saxaul.test"])
async def server(
    request: pytest.FixtureRequest, new_settings: NewSettings
) -> AsyncIterator[tuple[Running, bool]]:
    running = Running(await new_settings(public_url=request.param))
    yield running, request.param.startswith("https")
    await running.stop()


async def test_browsers_are_told_to_stay_with_tls_where_there_is_tls(
    server: tuple[Running, bool],
) -> None:
    running, is_tls = server
    async with httpx.AsyncClient(base_url=running.url) as client:
        for path in ("/", "/healthz", "/nowhere", "/v1/people/me"):
            found = (await client.get(path)).headers.get("strict-transport-security")
            assert found == ("max-age=31536000" if is_tls else None)


async def test_metrics_are_for_this_machine(app: FastAPI) -> None:
    async with from_address(app, "127.0.0.1") as here, from_address(app, "::1") as six:
        assert (await here.get("/metrics")).status_code == 200
        assert (await six.get("/metrics")).status_code == 200
        for name in ("X-Forwarded-For", "Forwarded", "X-Real-IP", "Via"):
            passed_on = await here.get("/metrics", headers={name: "127.0.0.1"})
            assert passed_on.status_code == 403
    for host in ("203.0.113.7", "10.0.0.1", "testclient"):
        async with from_address(app, host) as elsewhere:
            answer = await elsewhere.get("/metrics", headers={"Authorization": "Bearer "})
            assert answer.status_code == 403
            assert answer.json()["type"] == "/problems/metrics-not-yours"


async def test_metrics_are_for_who_has_their_token(new_settings: NewSettings) -> None:
    settings = await new_settings(metrics_token="a-token")
    async with running_app(settings, SteppedClock()) as app:
        async with from_address(app, "203.0.113.7", Authorization="Bearer a-token") as client:
            assert (await client.get("/metrics")).status_code == 200
        for wrong in ("Bearer a-toke", "Bearer a-token2", "a-token", "Bearer é"):
            async with from_address(app, "127.0.0.1") as client:
                headers = {"Authorization": wrong.encode()}
                assert (await client.get("/metrics", headers=headers)).status_code == 403

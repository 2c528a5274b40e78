"""Health, metrics, the explanations of problems, and the answer to a fault of our own."""

import asyncio

import httpx
import pytest
from builders import (
    BATCH,
    NewSettings,
    SteppedClock,
    a_partner,
    an_event,
    client_of,
    execute,
    report,
    running_app,
)

from service.app import create_app
from service.http.problems import all_errors
from service.settings import Settings

UNKNOWN_KEY = f"sx_{'a' * 12}_{'b' * 64}"  # well formed, so that the database is asked


async def test_the_process_is_alive(public: httpx.AsyncClient) -> None:
    answer = await public.get("/healthz")

    assert answer.json() == {"status": "alive"}


async def test_it_is_ready_with_its_servers(public: httpx.AsyncClient) -> None:
    answer = await public.get("/readyz")

    assert answer.status_code == 200, answer.text
    assert set(answer.json().values()) == {"ready"}


@pytest.mark.parametrize(
    ("setting", "url", "check"),
    [
        ("database_url", "postgresql://nobody@127.0.0.1:1/none", "database"),
        ("redis_url", "redis://127.0.0.1:1/0", "valkey"),
    ],
)
async def test_it_says_what_is_away(
    new_settings: NewSettings, setting: str, url: str, check: str
) -> None:
    settings = (await new_settings()).model_copy(update={setting: url})

    async with running_app(settings, SteppedClock()) as app, client_of(app) as client:
        answer = await client.get("/readyz")

    assert answer.status_code == 503
    assert answer.json()[check] == "away"


async def test_connections_that_the_server_closed_are_not_handed_out(
    new_settings: NewSettings,
) -> None:
    async with running_app(await new_settings(), SteppedClock()) as app, client_of(app) as client:
        async with app.state.runtime.resources.sessions() as session:
            raw = await (await session.connection()).get_raw_connection()
            idle = raw.driver_connection
            assert idle is not None
            pid, closed = idle.get_server_pid(), asyncio.Event()
            idle.add_termination_listener(lambda _: closed.set())
        await execute(
            str(app.state.runtime.resources.settings.database_url),
            f"SELECT pg_terminate_backend({pid})",
        )
        await closed.wait()

        assert (await client.get("/v1/projects")).status_code == 200


async def test_events_need_no_valkey(new_settings: NewSettings) -> None:
    settings = (await new_settings()).model_copy(update={"redis_url": "redis://127.0.0.1:1/0"})

    async with running_app(settings, SteppedClock()) as app:
        sender = await a_partner(app.state.runtime.resources.sessions, sources=("m",))
        async with client_of(app, sender.key) as client:
            result = await report(client, an_event(source="m"))

    assert result["outcome"] == "credited"


async def test_a_database_that_is_away_is_503(new_settings: NewSettings) -> None:
    settings = (await new_settings()).model_copy(
        update={"database_url": "postgresql://nobody@127.0.0.1:1/none"}
    )

    async with running_app(settings, SteppedClock()) as app, client_of(app, UNKNOWN_KEY) as client:
        answer = await client.get("/v1/people/me")

    assert answer.status_code == 503
    assert answer.json()["type"] == "/problems/database-away"
    assert int(answer.headers["retry-after"]) > 0


async def test_events_are_counted_by_outcome(
    partner: httpx.AsyncClient, public: httpx.AsyncClient
) -> None:
    def count(text: str, outcome: str) -> float:
        name = f'saxaul_events_total{{outcome="{outcome}"}} '
        return sum(float(line.split()[-1]) for line in text.splitlines() if line.startswith(name))

    before = (await public.get("/metrics")).text
    event = an_event()
    await partner.post("/v1/events", json=[event, event, {"id": "x"}], headers=BATCH)
    answer = await public.get("/metrics")

    assert answer.headers["content-type"].startswith("text/plain")
    for outcome in ("credited", "duplicate", "problem"):
        assert count(answer.text, outcome) == count(before, outcome) + 1
    assert "saxaul_commit_seconds_count" in answer.text
    assert "saxaul_lane_events 0.0" in answer.text


async def test_every_problem_is_explained(public: httpx.AsyncClient) -> None:
    listed = (await public.get("/problems")).json()["data"]

    for one in listed:
        page = (await public.get(one["type"])).json()
        assert page["type"] == one["type"]
        assert page["explanation"]
        assert 400 <= page["status"] < 600
    assert len(listed) == len({error.code for error in all_errors()})


async def test_the_internal_error_is_explained_too(public: httpx.AsyncClient) -> None:
    answer = await public.get("/problems/internal-error")

    assert answer.status_code == 200


async def test_a_fault_of_ours_says_nothing_of_the_inside(settings: Settings) -> None:
    app = create_app(settings)

    @app.get("/broken-for-a-test")
    async def broken() -> None:
        raise RuntimeError("the secret is 7")

    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://saxaul.test") as client:
        answer = await client.get("/broken-for-a-test")

    assert answer.status_code == 500
    assert answer.json()["type"] == "/problems/internal-error"
    assert "secret" not in answer.text

"""What those who act changed: written in the change's own transaction, read by who may."""

import asyncio
from datetime import UTC, date, datetime
from decimal import Decimal
from uuid import UUID

import httpx
import orjson
import pytest
from builders import NOW, NewSettings, unique
from fastapi import FastAPI
from typer.testing import CliRunner

from service.acting import Actor, acting
from service.audit.content import canonical, changes, digest
from service.audit.record import audit
from service.cli import app as cli
from service.local import local_resources
from service.settings import Settings

ANN = Actor("key", "abcdef123456", "acme")


async def record(app: FastAPI, act: str, target: str, **fields: object) -> None:
    async with app.state.runtime.registry() as session, session.begin():
        with acting(ANN, "192.0.2.7"):
            await audit(session, act, target, now=NOW, **fields)


async def trail(client: httpx.AsyncClient, **query: str) -> list[dict[str, object]]:
    answer = await client.get("/v1/audit-events", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]


async def test_an_act_is_written_with_its_author_and_what_it_changed(
    app: FastAPI, admin: httpx.AsyncClient
) -> None:
    target = f"project:{unique('grove')}"

    await record(
        app, "project.changed", target, before={"a": 1, "b": "x"}, after={"a": 2, "b": "x"}
    )
    (event,) = await trail(admin, target=target)

    assert event["actor"] == {"kind": "key", "id": "abcdef123456", "partner": "acme"}
    assert (event["act"], event["address"]) == ("project.changed", "192.0.2.7")
    assert event["changes"] == {"a": ["1", "2"]}
    assert event["before_sha256"] == digest({"b": "x", "a": 1}).hex()
    assert event["after_sha256"] == digest({"b": "x", "a": 2}).hex()


async def test_what_was_undone_left_no_event(app: FastAPI, admin: httpx.AsyncClient) -> None:
    target = f"project:{unique('grove')}"

    async with app.state.runtime.registry() as session:
        with acting(ANN):
            await audit(session, "project.changed", target, now=NOW)
        await session.rollback()

    assert await trail(admin, target=target) == []


async def test_an_act_without_an_author_is_a_bug(app: FastAPI) -> None:
    async with app.state.runtime.registry() as session:
        with pytest.raises(AssertionError, match="who acts"):
            await audit(session, "project.changed", "project:x", now=NOW)


async def test_the_trail_is_paged_and_narrowed(app: FastAPI, admin: httpx.AsyncClient) -> None:
    target = f"key:{unique('k')}"
    for act in ("key.made", "key.rotated", "keyring.opened"):
        await record(app, act, target)

    first = (await admin.get("/v1/audit-events", params={"target": target, "limit": 2})).json()
    rest = (
        await admin.get(
            "/v1/audit-events",
            params={"target": target, "limit": 2, "cursor": first["next_cursor"]},
        )
    ).json()
    seen = {event["act"] for event in first["data"] + rest["data"]}
    of_keys = {event["act"] for event in await trail(admin, target=target, act="key")}
    of_one = {event["act"] for event in await trail(admin, target=target, act="key.made")}

    assert (len(first["data"]), len(rest["data"]), rest["next_cursor"]) == (2, 1, None)
    assert seen == {"key.made", "key.rotated", "keyring.opened"}
    assert (of_keys, of_one) == ({"key.made", "key.rotated"}, {"key.made"})
    assert await trail(admin, target=target, actor="nobody-else") == []


def test_a_content_is_the_same_bytes_whoever_writes_it() -> None:
    fields = {
        "b": 10**20,
        "a": {"t": datetime(2026, 6, 15, tzinfo=UTC), "d": date(2026, 6, 15)},
        "c": [Decimal("1.50"), UUID(int=1), True, None, frozenset(("y", "x"))],
    }

    assert canonical(fields) == (
        b'{"a":{"d":"2026-06-15","t":"2026-06-15T00:00:00+00:00"},"b":"100000000000000000000",'
        b'"c":["1.50","00000000-0000-0000-0000-000000000001",true,null,["x","y"]]}'
    )
    assert digest(fields) == digest(dict(reversed(fields.items())))
    assert digest(None) is None


@pytest.mark.parametrize("value", [b"bytes", 1.5, object()])
def test_what_has_no_one_text_is_refused(value: object) -> None:
    with pytest.raises(TypeError, match="cannot hold"):
        canonical({"a": value})


def test_what_was_not_there_counts_as_a_change() -> None:
    assert changes(None, {"a": 1}) == {"a": [None, "1"]}
    assert changes({"a": 1}, None) == {"a": ["1", None]}
    assert changes({"a": 1}, {"a": 1}) == {}


@pytest.fixture
async def here(new_settings: NewSettings, tmp_path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A system that commands find by the environment."""
    settings = await new_settings()
    monkeypatch.setenv("DATABASE_URL", str(settings.database_url))
    monkeypatch.setenv("REDIS_URL", str(settings.redis_url))
    monkeypatch.setenv("SAXAUL_HOME", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "200")
    return settings


async def test_a_command_acts_as_its_operator_and_shows_the_trail(here: Settings) -> None:
    async with local_resources() as resources, resources.sessions() as session, session.begin():
        await audit(session, "partner.disabled", "partner:wok", after={"disabled": True}, now=NOW)

    shown = await asyncio.to_thread(CliRunner().invoke, cli, ["audit-trail"])
    whole = await asyncio.to_thread(
        CliRunner().invoke, cli, ["audit-trail", "--json", "--act", "partner"]
    )
    none = await asyncio.to_thread(
        CliRunner().invoke, cli, ["audit-trail", "--json", "--target", "partner:other"]
    )

    event = orjson.loads(whole.output)
    assert shown.exit_code == 0, shown.output
    assert "partner:wok" in shown.output
    assert (event["actor"]["kind"], event["target"]) == ("operator", "partner:wok")
    assert event["changes"] == {"disabled": [None, True]}
    assert none.output == ""

"""Bad input: each a clear problem that names the place and the reason; nothing is recorded."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import httpx
import pytest
from builders import BATCH, LEAVE_OUT, NOW, SINGLE, an_event, report, unique
from fastapi import FastAPI

BINARY = {"Content-Type": "application/json", "ce-specversion": "1.0"}


async def recorded(app: FastAPI) -> tuple[int, ...]:
    """How many actions, accounts and claims there are."""
    async with app.state.runtime.resources.pool.acquire() as connection:
        row = await connection.fetchrow(
            "SELECT (SELECT count(*) FROM action), (SELECT count(*) FROM account),"
            " (SELECT count(*) FROM claim)"
        )
    return tuple(row)


def with_text(field: str, value: str) -> bytes:
    """An event as JSON whose `field` holds raw JSON text."""
    event: dict[str, Any] = an_event()
    if field == "data":
        event["data"]["distance_km"] = "@here@"
    else:
        event[field] = "@here@"
    return json.dumps(event).replace('"@here@"', value).encode()


async def refused(
    app: FastAPI, client: httpx.AsyncClient, body: bytes | str, headers: dict[str, str]
) -> dict[str, Any]:
    """The problem that a body meets; that nothing is recorded is asserted."""
    before = await recorded(app)
    answer = await client.post("/v1/events", content=body, headers=headers)
    assert answer.status_code < 500, answer.text
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    problem = answer.json()
    assert problem["status"] == answer.status_code
    assert problem["detail"]
    assert await recorded(app) == before
    return problem


NOT_JSON = {
    "nothing": b"",
    "words": b"good morning",
    "half an object": b'{"specversion": "1.0"',
    "not UTF-8": b'{"id": "\xff\xfe"}',
    "UTF-16": '{"id": "a"}'.encode("utf-16"),
    "a lone surrogate": rb'{"specversion": "1.0", "id": "\ud800"}',
    "1,000 levels of arrays": b"[" * 1000 + b"]" * 1000,
    "1,000 levels of objects": b'{"a":' * 1000 + b"1" + b"}" * 1000,
    "an integer of 5,000 digits": b'{"data": ' + b"9" * 5000 + b"}",
    "trailing text": json.dumps(an_event()).encode() + b"x",
}


@pytest.mark.parametrize("body", NOT_JSON.values(), ids=NOT_JSON.keys())
async def test_what_is_not_json_is_refused(
    app: FastAPI, partner: httpx.AsyncClient, body: bytes
) -> None:
    problem = await refused(app, partner, body, SINGLE)

    assert (problem["status"], problem["type"]) == (400, "/problems/body-not-json")


@pytest.mark.parametrize("body", NOT_JSON.values(), ids=NOT_JSON.keys())
async def test_what_is_not_json_is_refused_in_a_batch(
    app: FastAPI, partner: httpx.AsyncClient, body: bytes
) -> None:
    problem = await refused(app, partner, b"[" + body + b"]" if body else b"", BATCH)

    assert (problem["status"], problem["type"]) == (400, "/problems/body-not-json")


@pytest.mark.parametrize("body", ["null", "1", '"text"', "[]", "true", "[[]]"])
async def test_json_that_is_no_event_is_refused(
    app: FastAPI, partner: httpx.AsyncClient, body: str
) -> None:
    problem = await refused(app, partner, body, SINGLE)

    assert (problem["status"], problem["type"]) == (422, "/problems/fields-invalid")


async def test_a_batch_is_an_array(app: FastAPI, partner: httpx.AsyncClient) -> None:
    problem = await refused(app, partner, json.dumps(an_event()), BATCH)

    assert (problem["status"], problem["type"]) == (422, "/problems/fields-invalid")


async def test_a_batch_may_hold_things_that_are_no_events(partner: httpx.AsyncClient) -> None:
    answer = await partner.post("/v1/events", content='[1, null, "a", [], {}]', headers=BATCH)

    assert answer.status_code == 200
    assert answer.json()["counts"] == {"problem": 5}


async def test_a_body_of_five_mebibytes_is_refused(
    app: FastAPI, partner: httpx.AsyncClient
) -> None:
    problem = await refused(app, partner, b" " * (5 * 1024 * 1024), SINGLE)

    assert (problem["status"], problem["type"]) == (413, "/problems/body-too-large")


async def test_a_body_of_up_to_twice_the_limit_is_read_so_that_its_sender_hears_the_answer(
    partner: httpx.AsyncClient,
) -> None:
    taken = []

    async def parts():
        for part in range(5):
            taken.append(part)
            yield b" " * (1024 * 1024)

    headers = {**SINGLE, "Content-Length": str(5 * 1024 * 1024)}
    answer = await partner.post("/v1/events", content=parts(), headers=headers)

    assert answer.status_code == 413
    assert len(taken) == 5


async def test_a_body_that_does_not_say_its_size_is_refused_too(
    partner: httpx.AsyncClient,
) -> None:
    async def parts():
        for _ in range(5):
            yield b" " * (1024 * 1024)

    answer = await partner.post("/v1/events", content=parts(), headers=SINGLE)

    assert answer.status_code == 413
    assert answer.json()["type"] == "/problems/body-too-large"


async def test_a_thousand_and_one_events_are_refused(
    app: FastAPI, partner: httpx.AsyncClient
) -> None:
    problem = await refused(app, partner, json.dumps([an_event()] * 1001), BATCH)

    assert (problem["status"], problem["type"]) == (413, "/problems/batch-too-large")


FIELDS: dict[str, tuple[str, Callable[[], bytes]]] = {
    "naive time": ("/time", lambda: with_text("time", '"2026-06-15T08:30:00"')),
    "a number as time": ("/time", lambda: with_text("time", "1700000000")),
    "a number in a text as time": ("/time", lambda: with_text("time", '"1700000000"')),
    "no time at all": ("/time", lambda: with_text("time", '"yesterday"')),
    "a day as time": ("/time", lambda: with_text("time", '"2026-06-15"')),
    "year 10000": ("/time", lambda: with_text("time", '"10000-01-01T00:00:00Z"')),
    "year 1": ("/time", lambda: with_text("time", '"0001-01-01T00:00:00+14:00"')),
    "the 30th of February": ("/time", lambda: with_text("time", '"2026-02-30T00:00:00Z"')),
    "null as time": ("/time", lambda: with_text("time", "null")),
    "NaN": ("/data/distance_km", lambda: with_text("data", "NaN")),
    "Infinity": ("/data/distance_km", lambda: with_text("data", "Infinity")),
    "-Infinity": ("/data/distance_km", lambda: with_text("data", "-Infinity")),
    "1e400": ("/data/distance_km", lambda: with_text("data", "1e400")),
    "NaN in a text": ("/data/distance_km", lambda: with_text("data", '"NaN"')),
    "Infinity in a text": ("/data/distance_km", lambda: with_text("data", '"Infinity"')),
    "1e400 in a text": ("/data/distance_km", lambda: with_text("data", '"1e400"')),
    "1e31": ("/data/distance_km", lambda: with_text("data", "1e31")),
    "1e-31": ("/data/distance_km", lambda: with_text("data", "1e-31")),
    "an integer of 32 digits": ("/data/distance_km", lambda: with_text("data", "9" * 32)),
    "an integer of 400 digits": ("/data/distance_km", lambda: with_text("data", "9" * 400)),
    "an object in data": ("/data/distance_km", lambda: with_text("data", '{"km": 1}')),
    "a nested list": ("/data/distance_km", lambda: with_text("data", "[[1]]")),
    "a long list": ("/data/distance_km", lambda: with_text("data", json.dumps([1] * 65))),
    "a long text": ("/data/distance_km", lambda: with_text("data", json.dumps("1" * 257))),
    "an empty text as number": ("/data/distance_km", lambda: with_text("data", '""')),
    "a word as number": ("/data/distance_km", lambda: with_text("data", '"far"')),
    "a switch as number": ("/data/distance_km", lambda: with_text("data", "true")),
    "an unknown field": ("/colour", lambda: with_text("colour", '"green"')),
    "an empty id": ("/id", lambda: with_text("id", '""')),
    "a long id": ("/id", lambda: with_text("id", json.dumps("x" * 65))),
    "a number as id": ("/id", lambda: with_text("id", "7")),
    "NUL in id": ("/id", lambda: with_text("id", r'"a\u0000b"')),
    "a line break in id": ("/id", lambda: with_text("id", r'"a\nb"')),
    "an empty subject": ("/subject", lambda: with_text("subject", '""')),
    "10,000 characters": ("/subject", lambda: with_text("subject", json.dumps("x" * 10_000))),
    "NUL in subject": ("/subject", lambda: with_text("subject", r'"\u0000"')),
    "null as subject": ("/subject", lambda: with_text("subject", "null")),
    "another specversion": ("/specversion", lambda: with_text("specversion", '"0.3"')),
    "specversion as number": ("/specversion", lambda: with_text("specversion", "1.0")),
    "an empty source": ("/source", lambda: with_text("source", '""')),
    "an unknown level": ("/evidencelevel", lambda: with_text("evidencelevel", '"L9"')),
    "an unknown scope": ("/scope", lambda: with_text("scope", '"1"')),
    "data of another kind": (
        "/datacontenttype",
        lambda: with_text("datacontenttype", '"text/xml"'),
    ),
    "null as data": ("/data", lambda: json.dumps({**an_event(), "data": None}).encode()),
    "no region": ("/data/region", lambda: json.dumps(an_event({"region": LEAVE_OUT})).encode()),
    "a number as region": ("/data/region", lambda: json.dumps(an_event({"region": 5})).encode()),
    "no such region": ("/data/region", lambda: json.dumps(an_event({"region": "china"})).encode()),
    "65 fields": (
        "/data",
        lambda: json.dumps(an_event({f"field_{n}": 1 for n in range(65)})).encode(),
    ),
    "NUL in data": ("/data/city", lambda: json.dumps(an_event({"city": "a\0b"})).encode()),
    "an unknown field of data": (
        "/data/colour",
        lambda: json.dumps(an_event({"colour": "green"})).encode(),
    ),
    "neither distance nor trips": (
        "/data/distance_km",
        lambda: json.dumps(an_event({"distance_km": LEAVE_OUT, "line": "10"})).encode(),
    ),
}


@pytest.mark.parametrize(("pointer", "body"), FIELDS.values(), ids=FIELDS.keys())
async def test_a_bad_field_is_named(
    app: FastAPI, partner: httpx.AsyncClient, pointer: str, body: Callable[[], bytes]
) -> None:
    problem = await refused(app, partner, body(), SINGLE)

    assert (problem["status"], problem["type"]) == (422, "/problems/fields-invalid")
    assert pointer in [error["pointer"] for error in problem["errors"]]
    assert all(error["detail"] for error in problem["errors"])


@pytest.mark.parametrize(("pointer", "body"), FIELDS.values(), ids=FIELDS.keys())
async def test_a_bad_field_stops_no_neighbour(
    partner: httpx.AsyncClient, pointer: str, body: Callable[[], bytes]
) -> None:
    good = json.dumps(an_event()).encode()

    answer = await partner.post(
        "/v1/events", content=b"[" + body() + b"," + good + b"]", headers=BATCH
    )

    assert answer.status_code == 200, answer.text
    assert answer.json()["counts"] == {"problem": 1, "credited": 1}


@pytest.mark.parametrize("name", ["specversion", "id", "source", "type", "subject", "time", "data"])
async def test_a_missing_field_is_named(
    app: FastAPI, partner: httpx.AsyncClient, name: str
) -> None:
    event = an_event()
    del event[name]

    problem = await refused(app, partner, json.dumps(event), SINGLE)

    assert problem["errors"][0]["pointer"] == f"/{name}"


async def test_pointers_are_escaped(app: FastAPI, partner: httpx.AsyncClient) -> None:
    problem = await refused(app, partner, json.dumps({**an_event(), "a/b~c": 1}), SINGLE)

    assert problem["errors"][0]["pointer"] == "/a~1b~0c"


async def test_a_flood_of_errors_is_cut(app: FastAPI, partner: httpx.AsyncClient) -> None:
    event = {**an_event(), **{f"unknown_{n}": n for n in range(500)}}

    problem = await refused(app, partner, json.dumps(event), SINGLE)

    assert len(problem["errors"]) == 20


async def test_an_unknown_activity_is_named(app: FastAPI, partner: httpx.AsyncClient) -> None:
    problem = await refused(app, partner, json.dumps(an_event(type="moon.walk")), SINGLE)

    assert (problem["status"], problem["type"]) == (422, "/problems/activity-unknown")
    assert problem["errors"][0]["pointer"] == "/type"
    assert "transit.metro" in problem["detail"]


async def test_the_future_is_refused(app: FastAPI, partner: httpx.AsyncClient) -> None:
    event = an_event(time="2026-06-15T04:05:01Z")

    problem = await refused(app, partner, json.dumps(event), SINGLE)

    assert (problem["status"], problem["type"]) == (422, "/problems/event-in-future")
    assert problem["errors"][0]["pointer"] == "/time"


async def test_a_source_of_somebody_else_is_refused(
    app: FastAPI, partner: httpx.AsyncClient, rival: httpx.AsyncClient
) -> None:
    problem = await refused(app, partner, json.dumps(an_event(source="rival-metro")), SINGLE)

    assert (problem["status"], problem["type"]) == (403, "/problems/source-not-yours")
    assert problem["errors"][0]["pointer"] == "/source"


@pytest.mark.parametrize("level", ["L2", "L3", "L4"])
async def test_a_level_that_follows_from_facts_is_stated_by_nobody(
    app: FastAPI, partner: httpx.AsyncClient, admin: httpx.AsyncClient, level: str
) -> None:
    for client in (partner, admin):
        problem = await refused(app, client, json.dumps(an_event(evidencelevel=level)), SINGLE)

        assert (problem["status"], problem["type"]) == (403, "/problems/level-not-yours")
        assert "second, independent partner" in problem["detail"]


@pytest.mark.parametrize(
    ("offset", "is_one"),
    [("+14:00", True), ("-12:00", True), ("+14:01", False), ("-12:01", False), ("-23:59", False)],
)
async def test_an_offset_is_one_that_there_is(
    partner: httpx.AsyncClient, offset: str, is_one: bool
) -> None:
    zone = datetime.fromisoformat(f"2026-06-15T00:00:00{offset}").tzinfo
    event = an_event({"region": "ZZ"}, time=NOW.astimezone(zone).isoformat())

    answer = await partner.post("/v1/events", json=event, headers=SINGLE)

    assert answer.status_code == (201 if is_one else 422), answer.text
    if not is_one:
        assert answer.json()["errors"][0]["pointer"] == "/time"


@pytest.mark.parametrize(
    ("region", "time", "is_one"),
    [
        ("CN", "2026-06-14T18:00:00Z", False),  # the 15th has begun in Xinjiang, too
        ("CN", "2026-06-14T16:00:00Z", True),
        ("CN", "2026-06-14T15:59:59Z", True),
        ("CN-XJ", "2026-06-14T23:59:59+06:00", True),  # Xinjiang keeps two times
        ("CN-XJ", "2026-06-14T23:59:59+05:00", False),
        ("GB", "2026-06-15T00:10:00+01:00", True),
        ("GB", "2026-06-14T23:10:00Z", False),
        ("US-NY", "2026-06-13T22:30:00-07:00", True),  # all zones of a country are allowed
        ("US", "2026-06-14T20:00:00+14:00", True),  # the 13th in the west, the 14th in the east
        ("US", "2026-06-14T12:00:00+14:00", False),  # the 13th in all of it
        ("RU", "2026-06-14T14:00:00Z", True),
        ("ZZ", "2026-06-14T23:10:00Z", True),  # no such country: the offset's range alone
    ],
)
async def test_the_local_day_is_one_that_it_was_in_the_region(
    partner: httpx.AsyncClient, region: str, time: str, is_one: bool
) -> None:
    answer = await partner.post(
        "/v1/events", json=an_event({"region": region}, time=time), headers=SINGLE
    )

    assert answer.status_code == (201 if is_one else 422), answer.text
    if not is_one:
        assert answer.json()["errors"][0]["pointer"] == "/time"
        assert "offset of the place" in answer.json()["detail"]


async def test_one_instant_is_of_no_three_days(partner: httpx.AsyncClient) -> None:
    """Nine rides at one instant, under three offsets, were credited on three days' caps."""
    subject, at = unique("person"), datetime(2026, 6, 15, 2, 0, tzinfo=UTC)
    offsets = [timedelta(hours=-23, minutes=-59), timedelta(0), timedelta(hours=13, minutes=59)]
    rides = [
        an_event(subject=subject, time=at.astimezone(timezone(offset)).isoformat())
        for offset in offsets
        for _ in range(3)
    ]

    answer = await partner.post("/v1/events", json=rides, headers=BATCH)

    days = {one.get("local_day") for one in answer.json()["results"]}
    assert days == {None, "2026-06-15"}
    assert answer.json()["counts"]["problem"] == 3


async def test_me_means_nothing_with_a_key(app: FastAPI, partner: httpx.AsyncClient) -> None:
    problem = await refused(app, partner, json.dumps(an_event(subject="me")), SINGLE)

    assert (problem["status"], problem["type"]) == (403, "/problems/subject-not-yours")


@pytest.mark.parametrize(
    "content_type", ["", "text/plain", "application/xml", "application/cloudevents+avro", "json"]
)
async def test_another_content_type_is_refused(
    app: FastAPI, partner: httpx.AsyncClient, content_type: str
) -> None:
    headers = {"Content-Type": content_type}

    problem = await refused(app, partner, json.dumps(an_event()), headers)

    assert (problem["status"], problem["type"]) == (415, "/problems/unsupported-type")


async def test_a_header_that_is_not_percent_encoded_utf8_is_refused(
    app: FastAPI, partner: httpx.AsyncClient
) -> None:
    event = an_event()
    headers = {**BINARY, **{f"ce-{name}": event[name] for name in ("id", "source", "type", "time")}}

    problem = await refused(
        app, partner, json.dumps(event["data"]), {**headers, "ce-subject": "%ff"}
    )

    assert (problem["status"], problem["type"]) == (400, "/problems/header-malformed")
    assert "ce-subject" in problem["detail"]


async def test_a_missing_header_is_a_missing_field(
    app: FastAPI, partner: httpx.AsyncClient
) -> None:
    problem = await refused(app, partner, "{}", BINARY)

    assert problem["status"] == 422
    assert {"/id", "/source", "/type", "/subject", "/time"} <= {
        error["pointer"] for error in problem["errors"]
    }


async def test_the_body_of_binary_mode_must_be_json(
    app: FastAPI, partner: httpx.AsyncClient
) -> None:
    problem = await refused(app, partner, "distance", BINARY)

    assert (problem["status"], problem["type"]) == (400, "/problems/body-not-json")


async def test_data_cannot_come_by_header(app: FastAPI, partner: httpx.AsyncClient) -> None:
    event = an_event()
    headers = {
        **BINARY,
        **{f"ce-{name}": event[name] for name in ("id", "source", "type", "subject", "time")},
        "ce-data": "{}",
    }

    problem = await refused(app, partner, json.dumps(event["data"]), headers)

    assert problem["status"] == 422


async def test_a_name_of_64_characters_and_a_subject_of_128_are_taken(
    partner: httpx.AsyncClient,
) -> None:
    event = an_event(id=unique("i").ljust(64, "x"), subject=unique("s").ljust(128, "梭"))

    assert (await report(partner, event))["outcome"] == "credited"


@pytest.mark.parametrize(
    "method_and_path",
    [("GET", "/v1/events"), ("PUT", "/v1/events"), ("DELETE", "/v1/totals"), ("POST", "/healthz")],
)
async def test_another_verb_is_a_problem(
    partner: httpx.AsyncClient, method_and_path: tuple[str, str]
) -> None:
    answer = await partner.request(*method_and_path)

    assert answer.status_code == 405
    assert answer.json()["type"] == "/problems/method-not-allowed"
    assert answer.headers["allow"]


async def test_another_address_is_a_problem(partner: httpx.AsyncClient) -> None:
    answer = await partner.get("/v1/nowhere")

    assert answer.status_code == 404
    assert answer.json()["type"] == "/problems/page-not-found"

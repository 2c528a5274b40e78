"""`POST /v1/events` takes CloudEvents in four forms and answers each event."""

import json
from urllib.parse import quote

import httpx
from builders import BATCH, SINGLE, an_event, an_order, report, report_all, unique

PLAIN = {"Content-Type": "application/json"}


def binary_of(event: dict) -> tuple[dict[str, str], str]:
    """An event in binary mode: headers and body."""
    attributes = {f"ce-{name}": value for name, value in event.items() if name != "data"}
    return {**PLAIN, **attributes}, json.dumps(event["data"])


async def test_a_structured_event_is_credited(partner: httpx.AsyncClient) -> None:
    event = an_event()

    answer = await partner.post("/v1/events", json=event, headers=SINGLE)

    assert answer.status_code == 201
    assert answer.headers["content-type"] == "application/json"
    body = answer.json()
    assert body.pop("action_id")
    assert body == {
        "source": "metro",
        "id": event["id"],
        "outcome": "credited",
        "duplicate": False,
        "avoided_mg": "794592",
        "points": 794,
        "methodology": "transit.metro@1.0.0",
        "evidence_level": "L1",
        "scope": "3+",
        "local_day": "2026-06-15",
        "ripens_at": "2026-06-16T07:00:00+08:00",
        "reason": None,
        "detail": None,
    }


async def test_plain_json_may_be_one_event(partner: httpx.AsyncClient) -> None:
    answer = await partner.post("/v1/events", json=an_event(), headers=PLAIN)

    assert answer.status_code == 201
    assert answer.json()["outcome"] == "credited"


async def test_plain_json_may_be_an_array(partner: httpx.AsyncClient) -> None:
    answer = await partner.post("/v1/events", json=[an_event()], headers=PLAIN)

    assert answer.status_code == 200
    assert answer.json()["counts"] == {"credited": 1}


async def test_binary_mode_takes_the_attributes_from_headers(partner: httpx.AsyncClient) -> None:
    headers, body = binary_of(an_event())

    answer = await partner.post("/v1/events", content=body, headers=headers)

    assert answer.status_code == 201
    assert answer.json()["points"] == 794


async def test_header_values_are_percent_encoded(partner: httpx.AsyncClient) -> None:
    subject = unique("梭梭 %")
    event = an_event(subject=quote(subject))
    headers, body = binary_of(event)

    sent = await partner.post("/v1/events", content=body, headers=headers)
    again = await report(partner, {**event, "subject": subject})

    assert sent.status_code == 201
    assert again["duplicate"] is True
    assert again["action_id"] == sent.json()["action_id"]


async def test_extensions_are_headers_too_in_binary_mode(partner: httpx.AsyncClient) -> None:
    headers, body = binary_of(an_event(evidencelevel="L0", scope="3"))

    answer = await partner.post("/v1/events", content=body, headers=headers)

    assert answer.json()["evidence_level"] == "L0"
    assert answer.json()["scope"] == "3"


async def test_a_content_type_may_name_its_charset(partner: httpx.AsyncClient) -> None:
    headers = {"Content-Type": "Application/CloudEvents+JSON; charset=utf-8"}

    answer = await partner.post("/v1/events", json=an_event(), headers=headers)

    assert answer.status_code == 201


async def test_the_same_content_gets_the_first_answer_again(partner: httpx.AsyncClient) -> None:
    event = an_event()

    first = await partner.post("/v1/events", json=event, headers=SINGLE)
    second = await partner.post("/v1/events", json=event, headers=SINGLE)

    assert (first.status_code, second.status_code) == (201, 200)
    assert second.json() == {**first.json(), "duplicate": True}


async def test_numbers_and_decimal_strings_are_the_same_content(partner: httpx.AsyncClient) -> None:
    event = an_event({"distance_km": "12.4"})
    as_number = json.dumps({**event, "data": {**event["data"], "distance_km": 12.4}})

    first = await report(partner, event)
    second = await partner.post("/v1/events", content=as_number, headers=SINGLE)

    assert second.status_code == 200
    assert second.json() == {**first, "duplicate": True}


async def test_the_same_moment_in_another_zone_is_other_content(partner: httpx.AsyncClient) -> None:
    event = an_event(time="2026-06-15T08:30:00+08:00")
    await report(partner, event)

    answer = await partner.post(
        "/v1/events", json={**event, "time": "2026-06-15T00:30:00Z"}, headers=SINGLE
    )

    assert answer.status_code == 409


async def test_other_content_under_the_same_name_is_a_conflict(partner: httpx.AsyncClient) -> None:
    event = an_event()
    first = await report(partner, event)
    other = {**event, "data": {**event["data"], "distance_km": "12.5"}}

    answer = await partner.post("/v1/events", json=other, headers=SINGLE)
    third = await report(partner, event)

    assert answer.status_code == 409
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["type"] == "/problems/event-conflict"
    assert answer.json()["errors"][0]["pointer"] == "/id"
    assert third == {**first, "duplicate": True}


async def test_a_conflict_is_seen_across_neighbouring_months(backfill: httpx.AsyncClient) -> None:
    event = an_event(time="2026-05-31T23:30:00+08:00")
    await report(backfill, event)

    answer = await backfill.post(
        "/v1/events", json={**event, "time": "2026-06-01T00:30:00+08:00"}, headers=SINGLE
    )

    assert answer.status_code == 409


async def test_the_same_id_for_another_person_is_another_event(partner: httpx.AsyncClient) -> None:
    event = an_event()
    first = await report(partner, event)

    other = await report(
        partner, an_event(id=event["id"], source=event["source"], subject=unique("person"))
    )

    assert other["duplicate"] is False
    assert other["action_id"] != first["action_id"]


async def test_a_batch_answers_each_event_in_the_order_sent(partner: httpx.AsyncClient) -> None:
    ride, order = an_event(), an_order()
    events = [ride, an_event(time="yesterday"), order, ride, an_event(source="not-mine")]

    answer = await partner.post("/v1/events", json=events, headers=BATCH)

    body = answer.json()
    assert answer.status_code == 200
    assert [one["id"] for one in body["results"]] == [event["id"] for event in events]
    assert [one.get("outcome") for one in body["results"]] == [
        "credited", None, "credited", "credited", None,
    ]  # fmt: skip
    assert body["results"][3]["duplicate"] is True
    assert body["results"][1]["problem"]["type"] == "/problems/fields-invalid"
    assert body["results"][1]["problem"]["errors"][0]["pointer"] == "/time"
    assert body["results"][4]["problem"]["type"] == "/problems/source-not-yours"
    assert body["results"][4]["problem"]["status"] == 403
    assert body["counts"] == {"credited": 2, "duplicate": 1, "problem": 2}


async def test_two_contents_under_one_name_in_a_batch_conflict(partner: httpx.AsyncClient) -> None:
    event = an_event()

    first, second = await report_all(partner, [event, {**event, "time": "2026-06-15T09:00:00Z"}])
    third, fourth = await report_all(
        partner, [event, {**event, "data": {**event["data"], "distance_km": 1}}]
    )

    assert first["outcome"] == "credited"
    assert second["problem"]["type"] == "/problems/event-in-future"
    assert third["duplicate"] is True
    assert fourth["problem"]["type"] == "/problems/event-conflict"


async def test_the_second_content_of_a_batch_loses(partner: httpx.AsyncClient) -> None:
    event = an_event()

    first, second = await report_all(
        partner, [event, {**event, "data": {**event["data"], "distance_km": 1}}]
    )

    assert first["outcome"] == "credited"
    assert second["problem"]["status"] == 409


async def test_an_empty_batch_is_answered_empty(partner: httpx.AsyncClient) -> None:
    answer = await partner.post("/v1/events", json=[], headers=BATCH)

    assert answer.status_code == 200
    assert answer.json() == {"results": [], "counts": {}}


async def test_a_thousand_events_are_one_batch(partner: httpx.AsyncClient) -> None:
    subject = unique("person")
    events = [an_order(subject=subject, time="2026-06-14T10:00:00+08:00") for _ in range(1000)]

    answer = await partner.post("/v1/events", json=events, headers=BATCH)

    assert answer.json()["counts"] == {"credited": 6, "capped": 994}

"""`POST /v1/estimates` and `POST /v1/events` say the same of the same body."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from any_event import (
    EDITIONS,
    OVERLAPS,
    POLICY,
    REPORTER,
    an_assessor,
    any_event,
    as_json,
    parsed,
)
from builders import (
    BATCH,
    NOW,
    SINGLE,
    a_bike_ride,
    a_ride,
    an_event,
    an_invoice,
    an_order,
    unique,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.intake.estimate import estimate_event
from service.points.policy import Awarded, Policy, award

ID_KINDS = ("id", "ids")
# What an estimate does not read: what the person and others have already.
FOR_WANT_OF_ROOM = ("methodology_", "excluded_", "overlaps_", "actions_per_", "points_per_")


def fresh(event: dict[str, Any]) -> dict[str, Any]:
    """The event of another person, about other things: no cap or claim of another one meets it."""
    data = dict(event["data"])
    for name, declared in inputs_of(event["type"]).items():
        value = data.get(name)
        if declared["kind"] in ID_KINDS and isinstance(value, str):
            data[name] = f"{value[:24]}{unique('')}"
        elif declared["kind"] in ID_KINDS and isinstance(value, list):
            data[name] = [f"{one[:24]}{unique('')}" for one in value]
    subject = event["subject"] if event["subject"] == "me" else unique("person")
    return {**event, "id": unique("event"), "subject": subject, "data": data}


def inputs_of(activity: str) -> dict[str, dict[str, Any]]:
    """The declared inputs of an activity, of all its versions."""
    found: dict[str, Any] = {}
    for edition in EDITIONS.get(activity, ()):
        inputs: Any = edition.sheet["inputs"]
        found.update(inputs)
    return found


@st.composite
def any_body(draw: st.DrawFn) -> dict[str, Any]:
    """An event, every other one with something wrong."""
    event = draw(any_event())
    data: Any = event["data"]
    wrongs: list[dict[str, Any]] = [
        {"source": "not-mine"},
        {"evidencelevel": "L4"},
        {"subject": "me"},
        {"time": "2026-06-15T12:06:00+08:00"},
        {"time": "2033-01-01T00:00:00Z"},
        {"time": "1899-12-31T23:59:59Z"},
        {"time": "never"},
        {"type": "moon.walk"},
        {"scope": "3+", "inventoryoverlap": draw(st.sampled_from(OVERLAPS))},
        {"scope": "3", "inventoryoverlap": draw(st.sampled_from(OVERLAPS))},
        {"data": {**data, "note": "a\0b"}},
        {"data": {**data, "trip_id": "\0"}},
        {"data": {**data, "rows": [{"text": "\0"}]}},
        {"data": {**data, "region": 3}},
        {"data": {**data, "region": "nowhere"}},
        {"data": {name: one for name, one in data.items() if name != "region"}},
        {"data": {**data, "no_such_input": 1}},
        {"extra": "attribute"},
    ]
    wrong = draw(st.sampled_from(wrongs)) if draw(st.booleans()) else {}
    return {**event, **wrong}


def compared(estimate: dict[str, Any], reported: dict[str, Any]) -> None:
    """Raises AssertionError unless an estimate says what came of reporting the same event."""
    assert (estimate["source"], estimate["id"]) == (reported["source"], reported["id"])
    assert estimate.get("problem") == reported.get("problem")
    if "problem" in estimate:
        return
    assert estimate["methodology"] == reported["methodology"]
    reason = reported["reason"] or ""
    if reported["outcome"] == "capped" and reason.startswith(FOR_WANT_OF_ROOM):
        assert estimate["outcome"] == "credited" or estimate["points"]
        assert int(reported["avoided_mg"]) in (0, int(estimate["avoided_mg"]))
        assert reported["points"] <= estimate["points"]
        return
    assert estimate["reason"] == reported["reason"]
    assert estimate["detail"] == reported["detail"]
    assert estimate["avoided_mg"] == reported["avoided_mg"]
    assert estimate["points"] == reported["points"]
    is_weak = reason == "evidence_level"
    assert reported["outcome"] == ("capped" if is_weak else estimate["outcome"])


@settings(
    deadline=None,
    database=None,
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(bodies=st.lists(any_body(), min_size=1, max_size=6))
async def test_the_same_batch_gets_the_same_answers(
    backfill: httpx.AsyncClient, bodies: list[dict[str, Any]]
) -> None:
    batch = b"[" + b",".join(as_json(fresh(body)) for body in bodies) + b"]"

    estimated = await backfill.post("/v1/estimates", content=batch, headers=BATCH)
    reported = await backfill.post("/v1/events", content=batch, headers=BATCH)

    assert (estimated.status_code, reported.status_code) == (200, 200)
    pairs = zip(estimated.json()["results"], reported.json()["results"], strict=True)
    for estimate, result in pairs:
        compared(estimate, result)


REFUSED = [
    an_event(source="not-mine"),
    an_event(evidencelevel="L4"),
    an_event(subject="me"),
    an_event(time="2026-06-15T12:06:00+08:00"),
    an_event(time="1899-12-31T23:59:59Z"),
    an_event(time="never"),
    an_event(type="moon.walk"),
    an_event(scope="3+", inventoryoverlap="s1"),
    an_event(scope="3", inventoryoverlap="none"),
    an_event(scope="3", inventoryoverlap="merchant_s3"),
    an_event({"line": "a\0b"}),
    an_event({"region": 3}),
    an_event({"region": "nowhere"}),
    an_event({"distance_km": "far"}),
]


@pytest.mark.parametrize("event", REFUSED)
async def test_what_is_not_recorded_is_not_estimated(
    partner: httpx.AsyncClient, event: dict[str, Any]
) -> None:
    estimated = await partner.post("/v1/estimates", json=event, headers=SINGLE)
    reported = await partner.post("/v1/events", json=event, headers=SINGLE)

    assert reported.status_code in (403, 422)
    assert estimated.status_code == reported.status_code
    assert estimated.json() == reported.json()


@pytest.mark.parametrize(
    "event",
    [
        a_ride(),
        a_ride(scope="3", inventoryoverlap="s3_cat7"),
        a_ride(time="2026-06-15T12:04:00+08:00"),
        a_bike_ride({"region": "FR"}),
        an_invoice(),
        an_order({"sets": 500}),
    ],
)
async def test_what_is_recorded_is_estimated_alike(
    partner: httpx.AsyncClient, event: dict[str, Any]
) -> None:
    estimated = await partner.post("/v1/estimates", json=event, headers=SINGLE)
    reported = await partner.post("/v1/events", json=event, headers=SINGLE)

    assert (estimated.status_code, reported.status_code) == (200, 201)
    compared(estimated.json(), reported.json())


def test_evidence_that_is_too_weak_for_points_gives_none_in_an_estimate() -> None:
    in_force = POLICY.in_force(NOW.date())
    rule = replace(POLICY.rule("transit.metro", NOW.date()), evidence="L1")
    policy = Policy([replace(in_force, activities={"transit.metro": rule})])
    assessor = an_assessor(Path("/nowhere"))

    def estimate(level: str) -> dict[str, object]:
        event = parsed(a_ride(evidencelevel=level))
        return estimate_event(event, REPORTER, assessor=assessor, policy=policy, now=NOW)

    weak, strong = estimate("L0"), estimate("L1")

    assert (weak["avoided_mg"], strong["avoided_mg"]) == ("794592", "794592")
    assert (strong["points"], strong["reason"]) == (794, None)
    assert (weak["points"], weak["reason"]) == award(rule, 794592, Awarded(), level="L0")
    assert "L1 or higher" in str(weak["detail"])


async def test_only_an_estimate_may_be_of_a_day_that_is_too_long_ago(
    partner: httpx.AsyncClient,
) -> None:
    event = an_event(time="2026-03-01T08:30:00+08:00")

    estimated = (await partner.post("/v1/estimates", json=event, headers=SINGLE)).json()
    reported = (await partner.post("/v1/events", json=event, headers=SINGLE)).json()

    assert (reported["outcome"], reported["reason"]) == ("refused", "out_of_period")
    assert estimated["outcome"] == "credited"

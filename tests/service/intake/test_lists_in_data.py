"""An event's data may hold lists of numbers and of flat objects, such as the trips of a meeting."""

import json
from typing import Any

import httpx
import pytest
from builders import LEAVE_OUT, SINGLE, an_event, report, unique


def a_meeting(trips: object, **changes: object) -> dict[str, Any]:
    data = {
        "distance_km": LEAVE_OUT,
        "trip_id": LEAVE_OUT,
        "avoided_trips": trips,
        "evidence": "trip_cancelled",
        "participant_hours": "6",
        "meeting_id": unique("meeting"),
    }
    return an_event(data, type="work.video", **changes)


async def test_a_list_of_objects_is_assessed_and_shown_again(partner: httpx.AsyncClient) -> None:
    trips = [{"km_round_trip": 2558, "mode": "hsr", "persons": "2"}]

    answer = await report(partner, a_meeting(trips))

    assert answer["avoided_mg"] == "127586505"
    receipt = (await partner.get(f"/v1/actions/{answer['action_id']}/receipt")).json()
    assert receipt["assessment"]["inputs"]["avoided_trips"] == [
        {"km_round_trip": "2558", "mode": "hsr", "persons": "2"}
    ]


async def test_the_same_event_in_another_order_of_names_is_a_duplicate(
    partner: httpx.AsyncClient,
) -> None:
    event = a_meeting([{"km_round_trip": "2558", "mode": "hsr", "persons": 2}])
    turned = json.loads(json.dumps(event))
    turned["data"]["avoided_trips"] = [{"persons": "2", "mode": "hsr", "km_round_trip": 2558}]

    first, second = await report(partner, event), await report(partner, turned)

    assert (first["duplicate"], second["duplicate"]) == (False, True)
    assert first["action_id"] == second["action_id"]


@pytest.mark.parametrize(
    "trips",
    [
        [{"km_round_trip": 2558, "mode": "hsr\0"}],
        [{"km_round_trip": 2558, "mode": ["hsr"]}],
        [{"km_round_trip": 2558, "mode": {"of": "train"}}],
        [{"km_round_trip": 2558}],
        [["hsr"]],
        [{"km_round_trip": 2558, "mode": "hsr"}] * 65,
    ],
    ids=["NUL", "a list inside", "an object inside", "a column missing", "no object", "too many"],
)
async def test_a_row_that_cannot_be_read_is_named(
    partner: httpx.AsyncClient, trips: object
) -> None:
    answer = await partner.post("/v1/events", json=a_meeting(trips), headers=SINGLE)

    assert answer.status_code == 422, answer.text
    assert "/data/avoided_trips" in answer.text

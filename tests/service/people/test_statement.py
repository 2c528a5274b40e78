"""The statement explains each number; one earning can be collected; points can be granted."""

import httpx
import pytest
from builders import SteppedClock, a_bike_ride, an_event, an_order, report, report_all, unique


async def statement_of(client: httpx.AsyncClient, subject: str, **params: str) -> dict:
    answer = await client.get(f"/v1/people/{subject}/statement", params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_every_line_adds_up(
    partner: httpx.AsyncClient, admin: httpx.AsyncClient, clock: SteppedClock
) -> None:
    subject = unique("person")
    rides = await report_all(partner, [an_event(subject=subject) for _ in range(13)])
    await report(partner, a_bike_ride(subject=subject))
    clock.advance(hours=20)
    await partner.post(f"/v1/people/{subject}/collect")
    await partner.post(f"/v1/actions/{rides[0]['action_id']}/reversal", json={"reason": "refund"})
    await admin.post(f"/v1/people/{subject}/grants", json={"points": 7, "reason": "Welcome."})

    told = await statement_of(partner, subject, month="2026-06")

    moved = sum(entry["points"] for entry in told["entries"])
    assert told["opening_balance"] + moved == told["closing_balance"]
    shown = (await partner.get(f"/v1/people/{subject}")).json()["points"]
    assert told["closing_balance"] == shown["balance"]
    for one in told["earnings"]:
        where = ("uncollected", "collected", "taken_by_friends", "lapsed", "reversed")
        assert one["points"] == sum(one[name] for name in where)
        actions = sum(action["points"] for action in one["actions"])
        assert one["points"] == actions + one["reported_elsewhere"]
        assert one["taken_back"] == sum(a["reversed_points"] for a in one["actions"])
    metro = next(one for one in told["earnings"] if one["activity"] == "transit.metro")
    capped = [action for action in metro["actions"] if action["cap"]]
    assert {action["cap"]: action["cap_said"] for action in capped} == {
        "points_per_day": "The cap points_per_day of 6000 was reached.",
        "methodology_actions_per_day": "The methodology credits no more than this for one day.",
    }
    assert metro["rule"].startswith("1 points for each full gram; at most 12 actions a day;")
    assert [entry["kind"] for entry in told["entries"]] == ["collect", "reversal", "grant"]
    assert told["entries"][2]["what_for"] == "Points were granted. Welcome."


async def test_a_day_begins_with_what_was_there_before(
    partner: httpx.AsyncClient, clock: SteppedClock
) -> None:
    subject = unique("person")
    await report(partner, an_event(subject=subject))
    clock.advance(hours=20)
    await partner.post(f"/v1/people/{subject}/collect")

    earned = await statement_of(partner, subject, day="2026-06-15")
    collected = await statement_of(partner, subject, day="2026-06-16")
    after = await statement_of(partner, subject, day="2026-06-17")

    assert (earned["entries"], len(earned["earnings"])) == ([], 1)
    assert (collected["opening_balance"], collected["closing_balance"]) == (0, 794)
    assert (after["opening_balance"], after["closing_balance"]) == (794, 794)


async def test_a_partner_sees_the_points_but_not_the_actions_of_others(
    partner: httpx.AsyncClient, rival: httpx.AsyncClient, admin: httpx.AsyncClient
) -> None:
    subject = unique("person")
    await report(partner, an_event(subject=subject))
    await report(rival, an_event(subject=subject, source="rival-metro"))

    (mine,) = (await statement_of(partner, subject, month="2026-06"))["earnings"]
    (all_,) = (await statement_of(admin, subject, month="2026-06"))["earnings"]

    assert (len(mine["actions"]), mine["reported_elsewhere"]) == (1, 794)
    assert (len(all_["actions"]), all_["reported_elsewhere"]) == (2, 0)


@pytest.mark.parametrize(
    "params",
    [{"day": "2026-06-15", "month": "2026-06"}, {"month": "2026-13"}, {"month": "9999-12"},
     {"day": "soon"}],
)  # fmt: skip
async def test_a_span_that_is_none_is_said(partner: httpx.AsyncClient, params: dict) -> None:
    answer = await partner.get(f"/v1/people/{unique('person')}/statement", params=params)

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"].startswith("/query/")


async def test_one_earning_is_collected_alone(
    partner: httpx.AsyncClient, clock: SteppedClock
) -> None:
    subject = unique("person")
    await report_all(partner, [an_event(subject=subject), an_order(subject=subject)])
    which = {"local_day": "2026-06-15", "activity": "food.no_cutlery"}
    path = f"/v1/people/{subject}/collect"

    early = await partner.post(path, json=which)
    clock.advance(hours=20)
    once, twice = [(await partner.post(path, json=which)).json() for _ in range(2)]

    assert (early.status_code, early.json()["type"]) == (409, "/problems/earning-not-ripe")
    assert (once["points"], once["balance"]) == (12, 12)
    assert once["earnings"] == [{**which, "points": 12}]
    assert (twice["points"], twice["balance"]) == (0, 12)
    assert (await partner.post(path)).json()["points"] == 794


async def test_what_cannot_be_collected_says_why(
    partner: httpx.AsyncClient, clock: SteppedClock
) -> None:
    subject = unique("person")
    await report(partner, an_event(subject=subject))
    path = f"/v1/people/{subject}/collect"
    clock.advance(days=9)

    late = await partner.post(path, json={"local_day": "2026-06-15", "activity": "transit.metro"})
    never = await partner.post(path, json={"local_day": "2026-06-14", "activity": "transit.metro"})
    wrong = await partner.post(path, json={"local_day": "2026-06-14"})

    assert late.json()["type"] == "/problems/earning-lapsed"
    assert never.json()["type"] == "/problems/earning-not-found"
    assert wrong.json()["errors"][0]["pointer"] == "/body/activity"


async def test_a_grant_is_repeated_by_its_key(
    admin: httpx.AsyncClient, partner: httpx.AsyncClient
) -> None:
    subject, key = unique("person"), {"Idempotency-Key": unique("key")}
    path, body = f"/v1/people/{subject}/grants", {"points": 100, "reason": "Spring campaign."}

    first = await admin.post(path, json=body, headers=key)
    again = await admin.post(path, json=body, headers=key)
    other = await admin.post(path, json={**body, "points": 101}, headers=key)
    refused = await partner.post(path, json=body)

    assert (first.status_code, first.json()["balance"]) == (201, 100)
    assert again.json() == first.json()
    assert again.headers["Idempotent-Replayed"] == "true"
    assert other.json()["type"] == "/problems/idempotency-key-reused"
    assert refused.json()["type"] == "/problems/scope-missing"
    for points in (0, -1, 10**7):
        answer = await admin.post(path, json={**body, "points": points})
        assert answer.json()["errors"][0]["pointer"] == "/body/points"

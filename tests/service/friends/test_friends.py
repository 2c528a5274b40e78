"""Friends: ask, accept, end, block; water, take, shield; profiles and leaderboards."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta

import httpx
import pytest
from builders import (
    SOURCES,
    NewSettings,
    SteppedClock,
    a_partner,
    an_event,
    catch_up,
    client_of,
    in_china,
    report,
    running_app,
    unique,
)
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as some

from service.friends.befriend import FRIENDS_MAX
from service.friends.take import share_of
from service.points.policy_file import Taking
from service.reconciliation.reconcile import reconcile
from service.totals.counters import Counters
from workers.lapse import lapse_points
from workers.leaderboards import rank_regions

RULES = Taking(share_percent=10, owner_keeps_percent=60)
few = some.integers(0, 10_000)


@dataclass(frozen=True)
class People:
    """Speaks for everybody, as an app with `people:act` and `admin` does."""

    client: httpx.AsyncClient
    clock: SteppedClock
    app: FastAPI

    async def post(self, who: str, what: str, body: object = None, **kw: str) -> httpx.Response:
        return await self.client.post(f"/v1/people/{who}/{what}", json=body, headers=kw)

    async def do(self, who: str, what: str, body: object = None) -> dict:
        answer = await self.post(who, what, body)
        assert answer.is_success, answer.text
        return answer.json()

    async def get(self, who: str, what: str) -> dict:
        answer = await self.client.get(f"/v1/people/{who}/{what}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def balance(self, who: str) -> int:
        points = (await self.client.get(f"/v1/people/{who}")).json()["points"]
        return points["balance"] - points["debt"]

    async def friends(self, *names: str) -> tuple[str, ...]:
        """Fresh subjects, who are all friends of the first; and the friendships' ids."""
        first, *others = (unique(name) for name in names)
        ids = []
        for other in others:
            asked = await self.do(first, "friends", {"subject": other})
            await self.do(other, f"friends/{asked['friendship_id']}/accept")
            ids.append(asked["friendship_id"])
        return (first, *others, *ids)

    async def earn(self, *people: str) -> None:
        """A ride each, ripe now."""
        for who in people:
            await report(self.client, an_event(subject=who, time=in_china(self.clock.now)))
        self.clock.advance(hours=32)

    async def rich(self, *people: str) -> None:
        for who in people:
            await self.do(who, "grants", {"points": 1000, "reason": "a test"})

    async def assert_sound(self) -> None:
        await catch_up(self.app)
        resources = self.app.state.runtime.resources
        counters = Counters(resources.valkey, resources.sessions)
        checks = await reconcile(resources.sessions, counters)
        assert [one for one in checks if not one.holds] == []


def problem(answer: httpx.Response) -> str:
    return answer.json()["type"].removeprefix("/problems/")


@pytest.fixture(scope="module")
async def people(new_settings: NewSettings) -> AsyncIterator[People]:
    clock = SteppedClock()
    async with running_app(await new_settings(), clock) as app:
        sessions = app.state.runtime.resources.sessions
        sender = await a_partner(sessions, sources=SOURCES, scopes=("admin",))
        async with client_of(app, sender.key) as client:
            yield People(client, clock, app)


async def test_asking_and_saying_yes(people: People) -> None:
    ann, ben = unique("ann"), unique("ben")
    await people.client.put(f"/v1/people/{ann}/profile", json={"display_name": "Ann"})

    asked = await people.do(ann, "friends", {"subject": ben})
    (seen,) = (await people.get(ben, "friends?state=asking"))["data"]
    await people.do(ben, f"friends/{seen['friendship_id']}/accept")

    assert (asked["state"], asked["name"]) == ("asked", "Someone")
    assert seen["name"] == "Ann"
    (mine,) = (await people.get(ann, "friends"))["data"]
    (theirs,) = (await people.get(ben, "friends"))["data"]
    assert (mine["state"], theirs["state"]) == ("friends", "friends")
    assert ann not in str(theirs)
    assert ben not in str(mine)


async def test_two_who_ask_each_other_are_friends(people: People) -> None:
    ann, ben = unique("ann"), unique("ben")

    first, second = await asyncio.gather(
        people.do(ann, "friends", {"subject": ben}), people.do(ben, "friends", {"subject": ann})
    )

    assert {first["state"], second["state"]} == {"asked", "friends"}
    assert (await people.get(ann, "friends"))["data"][0]["state"] == "friends"


async def test_nobody_is_their_own_friend(people: People) -> None:
    answer = await people.post("ann", "friends", {"subject": "ann"})

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "/body/subject"


async def test_a_request_can_be_declined_and_a_friend_removed(people: People) -> None:
    ann, ben, friendship = await people.friends("ann", "ben")

    ended = await people.client.delete(f"/v1/people/{ben}/friends/{friendship}")

    assert ended.json()["state"] == "ended"
    assert (await people.get(ann, "friends"))["data"] == []
    water = await people.post(ann, f"friends/{friendship}/water", {"points": 10})
    assert problem(water) == "friend-not-found"


async def test_a_blocked_person_sees_what_everybody_sees_who_waits(people: People) -> None:
    ann, ben, friendship = await people.friends("ann", "ben")
    await people.do(ann, f"friends/{friendship}/block")
    assert (await people.get(ben, "friends"))["data"] == []

    again = await people.do(ben, "friends", {"subject": ann})
    stranger = await people.do(ben, "friends", {"subject": unique("nobody")})

    assert again.keys() == stranger.keys()
    assert (again["state"], again["name"]) == (stranger["state"], stranger["name"])
    assert [one["state"] for one in (await people.get(ann, "friends"))["data"]] == ["blocked"]
    accept = await people.post(ann, f"friends/{friendship}/accept")
    assert problem(accept) == "friend-not-found"
    await people.client.delete(f"/v1/people/{ann}/friends/{friendship}")
    assert (await people.do(ann, "friends", {"subject": ben}))["state"] == "asked"


async def test_a_friendship_of_others_is_nobodys(people: People) -> None:
    *_, friendship = await people.friends("ann", "ben")

    for what in ("accept", "block", "water", "take"):
        body = {"points": 10} if what == "water" else None
        answer = await people.post(unique("eve"), f"friends/{friendship}/{what}", body)
        assert problem(answer) == "friend-not-found", what


async def test_there_is_room_for_so_many_friends(people: People) -> None:
    ann = unique("ann")
    for _ in range(FRIENDS_MAX // 50):
        await asyncio.gather(
            *(people.do(ann, "friends", {"subject": unique("b")}) for _ in range(50))
        )

    answer = await people.post(ann, "friends", {"subject": unique("b")})

    assert problem(answer) == "friends-full"
    page = await people.get(ann, "friends?limit=200")
    assert (len(page["data"]), page["next_cursor"] is None) == (200, False)


async def test_watering_moves_points_three_times_a_day(people: People) -> None:
    ann, ben, friendship = await people.friends("ann", "ben")
    await people.rich(ann)
    path = f"friends/{friendship}/water"

    told = [await people.do(ann, path, {"points": size}) for size in (10, 18, 66)]
    fourth = await people.post(ann, path, {"points": 10})
    people.clock.advance(hours=24)
    tomorrow = await people.do(ann, path, {"points": 33})

    assert [one["left_today"] for one in told] == [2, 1, 0]
    assert problem(fourth) == "watered-enough"
    assert tomorrow["balance"] == await people.balance(ann) == 1000 - 10 - 18 - 66 - 33
    assert await people.balance(ben) == 10 + 18 + 66 + 33
    entry = (await people.get(ben, "entries"))["data"][0]
    assert (entry["kind"], entry["ref"]["direction"]) == ("gift", "from")
    assert ann not in str(entry)


async def test_watering_needs_a_size_and_the_points(people: People) -> None:
    ann, _, friendship = await people.friends("ann", "ben")

    size = await people.post(ann, f"friends/{friendship}/water", {"points": 11})
    poor = await people.post(ann, f"friends/{friendship}/water", {"points": 10})

    assert size.json()["errors"] == [{"pointer": "/body/points", "detail": "one of 10, 18, 33, 66"}]
    assert problem(poor) == "not-enough-points"


async def test_a_repeat_by_key_waters_once(people: People) -> None:
    ann, ben, friendship = await people.friends("ann", "ben")
    await people.rich(ann)
    key = unique("key")

    for _ in range(2):
        answer = await people.client.post(
            f"/v1/people/{ann}/friends/{friendship}/water",
            json={"points": 10},
            headers={"Idempotency-Key": key},
        )

    assert answer.headers["Idempotent-Replayed"] == "true"
    assert await people.balance(ben) == 10


async def test_a_friend_takes_a_share_once(people: People) -> None:
    ann, ben, friendship = await people.friends("ann", "ben")
    await people.earn(ann)

    (seen,) = (await people.get(ben, f"friends/{friendship}/earnings"))["data"]
    one = {"earning": seen["earning"]}
    taken = await people.do(ben, f"friends/{friendship}/take", one)
    again = await people.post(ben, f"friends/{friendship}/take", one)

    assert seen["takeable"] == taken["points"] == 79
    assert problem(again) == "nothing-to-take"
    assert "transit" not in str(seen)
    assert (await people.do(ann, "collect"))["points"] == 794 - 79
    assert await people.balance(ben) == 79
    points = (await people.client.get(f"/v1/people/{ann}")).json()["points"]
    assert points["taken_by_friends"] == 79
    await people.assert_sound()


async def test_nothing_is_taken_that_is_not_ripe_or_lapsed_or_collected(people: People) -> None:
    ann, ben, friendship = await people.friends("ann", "ben")
    path = f"friends/{friendship}/take"
    await report(people.client, an_event(subject=ann, time=in_china(people.clock.now)))
    unripe = await people.post(ben, path)
    people.clock.advance(days=9)
    lapsed = await people.post(ben, path)
    await people.earn(ann)
    await people.do(ann, "collect")
    collected = await people.post(ben, path)

    assert {problem(one) for one in (unripe, lapsed, collected)} == {"nothing-to-take"}


async def test_a_shield_keeps_friends_out(people: People) -> None:
    ann, ben, friendship = await people.friends("ann", "ben")
    await people.rich(ann)
    await people.earn(ann)

    shield = await people.do(ann, "shield")
    refused = await people.post(ben, f"friends/{friendship}/take")
    seen = await people.get(ben, f"friends/{friendship}/earnings")
    people.clock.advance(hours=24)
    taken = await people.do(ben, f"friends/{friendship}/take")

    assert (shield["points"], shield["balance"]) == (20, 980)
    assert problem(refused) == "friend-shielded"
    assert (seen["shielded"], seen["data"][0]["takeable"]) == (True, 0)
    assert taken["points"] == 79


async def test_a_shield_has_a_price_and_an_end(people: People) -> None:
    ann = unique("ann")
    assert problem(await people.post(ann, "shield")) == "not-enough-points"
    await people.rich(ann)

    for _ in range(7):
        await people.do(ann, "shield")
    eighth = await people.post(ann, "shield")

    assert problem(eighth) == "shield-long-enough"
    assert await people.balance(ann) == 1000 - 7 * 20


async def test_what_friends_took_is_the_owners_to_give_back(people: People) -> None:
    ann, ben, friendship = await people.friends("ann", "ben")
    event = an_event(subject=ann, time=in_china(people.clock.now))
    action = await report(people.client, event)
    people.clock.advance(hours=30)
    await people.do(ben, f"friends/{friendship}/take")

    undone = await people.client.post(
        f"/v1/actions/{action['action_id']}/reversal", json={"reason": "fraud"}
    )

    told = undone.json()
    assert (told["from_earning"], told["as_debt"], told["points"]) == (715, 79, 794)
    assert (await people.balance(ann), await people.balance(ben)) == (-79, 79)
    await people.assert_sound()


@given(points=few, gone=few, others=few, collected=few)
def test_the_owner_keeps_most(points: int, gone: int, others: int, collected: int) -> None:
    gone = min(gone, points)
    others = min(others, (points - gone) * 40 // 100)
    uncollected = max(0, points - gone - others - collected)

    share = share_of(
        points=points, gone=gone, to_friends=others, uncollected=uncollected, rules=RULES
    )

    assert 0 <= share <= uncollected
    assert share <= max(1, uncollected // 10)
    assert (points - gone) - (others + share) >= 0.6 * (points - gone)


@pytest.mark.parametrize(("before", "share"), [(0, 100), (300, 70), (380, 20), (400, 0)])
def test_what_friends_took_before_counts_against_the_next(before: int, share: int) -> None:
    uncollected = 1_000 - before

    taken = share_of(points=1_000, gone=0, to_friends=before, uncollected=uncollected, rules=RULES)

    assert taken == share


async def test_many_water_one_at_the_same_moment(people: People) -> None:
    """Everybody waters everybody: balances and sums hold, and nobody waits for ever."""
    ann, *rest = await people.friends("ann", *("friend",) * 5)
    others, ids = rest[:5], rest[5:]
    await people.rich(ann, *others)

    answers = await asyncio.gather(
        *(
            people.post(who, f"friends/{friendship}/water", {"points": 10})
            for friendship, other in zip(ids, others, strict=True)
            for who in (ann, other) * 4
        )
    )

    done = [answer for answer in answers if answer.status_code == 200]
    assert len(done) == 5 * 2 * 3
    assert {problem(answer) for answer in answers if answer not in done} == {"watered-enough"}
    assert [await people.balance(who) for who in (ann, *others)] == [1000] * 6
    await people.assert_sound()


async def test_collect_take_lapse_and_reversal_at_the_same_moment(people: People) -> None:
    ann, *rest = await people.friends("ann", *("friend",) * 4)
    others, ids = rest[:4], rest[4:]
    for _ in range(4):
        at = in_china(people.clock.now)
        action = await report(people.client, an_event(subject=ann, time=at))
        await report(people.client, an_event(subject=ann, time=at))
        before = [await people.balance(who) for who in others]
        mine = await people.balance(ann)
        people.clock.advance(hours=32)

        taken, _, collected, _, undone = await asyncio.gather(
            asyncio.gather(*(
                people.post(other, f"friends/{friendship}/take")
                for friendship, other in zip(ids, others, strict=True) for _ in range(2)
            )),
            lapse_points({"resources": people.app.state.runtime.resources}),
            people.do(ann, "collect"),
            people.post(ann, "collect"),
            people.client.post(
                f"/v1/actions/{action['action_id']}/reversal", json={"reason": "refund"}
            ),
        )  # fmt: skip

        won = sum(answer.json()["points"] for answer in taken if answer.status_code == 200)
        after = [await people.balance(who) for who in others]
        assert sum(after) - sum(before) == won
        assert won <= 1588 * 4 // 10
        assert undone.json()["points"] == 794
        rest_of_it = (await people.do(ann, "collect"))["points"]
        assert await people.balance(ann) == mine + 1588 - won - 794
        assert collected["points"] + rest_of_it <= 1588 - won
        await people.assert_sound()


async def test_the_board_among_friends(people: People) -> None:
    ann, ben, eve, *_ = await people.friends("ann", "ben", "eve")
    await people.client.put(f"/v1/people/{ben}/profile", json={"display_name": "Ben"})
    await people.client.put(f"/v1/people/{eve}/profile", json={"is_ranked": False})
    people.clock.now += timedelta(days=7 - people.clock.now.weekday())
    await people.earn(ann, ben, eve)

    mine = (await people.get(ann, "leaderboard"))["data"]
    hers = (await people.get(eve, "leaderboard?span=month"))["data"]

    assert [(one["rank"], one["name"], one["points"]) for one in mine] == [
        (1, "Ben", 794), (1, "Someone", 794),
    ]  # fmt: skip
    assert [one["is_me"] for one in mine] == [False, True]
    assert {one["is_me"] for one in hers} == {True, False}


async def test_a_region_of_few_is_withheld(people: People) -> None:
    """Nine are too few; the tenth opens the board, and one who leaves closes it at once."""
    region = "ZZ-A"
    crowd = [unique("person") for _ in range(10)]

    async def board() -> dict:
        await rank_regions({"resources": people.app.state.runtime.resources})
        return (await people.client.get(f"/v1/leaderboards/{region}")).json()

    people.clock.now += timedelta(days=7 - people.clock.now.weekday())
    await people.earn(*crowd)
    for number, who in enumerate(crowd):
        assert (await board())["withheld"], number
        body = {"region": region, "display_name": f"Nr {number}" if number else None}
        await people.client.put(f"/v1/people/{who}/profile", json=body)
    ten = await board()
    gone = {"region": region, "is_ranked": False}
    await people.client.put(f"/v1/people/{crowd[3]}/profile", json=gone)
    left = (await people.client.get(f"/v1/leaderboards/{region}")).json()

    assert (ten["withheld"], ten["people"], len(ten["data"])) == (False, 10, 10)
    assert {one["name"] for one in ten["data"]} == {"Someone", *(f"Nr {n}" for n in range(1, 10))}
    assert not any(who in str(ten) for who in crowd)
    assert (left["withheld"], left["people"], left["data"]) == (True, None, [])


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"display_name": "A\u202eB"}, "/body/display_name"),
        ({"display_name": "  "}, "/body/display_name"),
        ({"display_name": "x" * 41}, "/body/display_name"),
        ({"region": "china"}, "/body/region"),
        ({"nickname": "x"}, "/body/nickname"),
    ],
)
async def test_a_profile_is_checked(people: People, body: dict, pointer: str) -> None:
    answer = await people.client.put(f"/v1/people/{unique('person')}/profile", json=body)

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == pointer


async def test_a_person_speaks_only_for_themselves(person, partner: httpx.AsyncClient) -> None:
    async with person(unique("person")) as me:
        mine = await me.put("/v1/people/me/profile", json={"display_name": "Me"})
        other = await me.get(f"/v1/people/{unique('person')}/friends")

    assert mine.json()["display_name"] == "Me"
    assert problem(other) == "subject-not-yours"

"""The rules of restating alone: limits of a day, room that is kept, and back again."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from soak import examples

from methodologies.catalogue import load_catalogue
from methodologies.contract import Assessment, Refusal
from service.intake.day_state import DayState
from service.restate.decide import Past, Value, restate_days, room_change, take_room
from service.restate.effect import Before, Effect, publication, read_effect

EDITION = load_catalogue().edition("transit.metro", "1.0.0")
DAY = date(2026, 3, 2)
PERSON = UUID(int=1)
OLD, NEW = "transit.metro@1.0.0", "transit.metro@2.0.0"


def a_value(methodology: str = OLD, **changes: Any) -> Value:
    usual = Value(methodology, "CN", "credited", None, None, 1_000, 890, 450, 1_000)
    return usual._replace(**changes)


def a_past(value: Value | None = None, **changes: Any) -> Past:
    usual = Past(
        bucket=1,
        person_id=PERSON,
        action_id=uuid4(),
        local_day=DAY,
        recorded_at=datetime(2026, 3, 2, tzinfo=UTC),
        partner="acme",
        activity="transit.metro",
        region="CN",
        evidence_level="L1",
        counted_level="L1",
        scope="3+",
        data={},
        points=1,
        was_limited=False,
        is_reversed=False,
        sequence=0,
        value=value or a_value(),
    )
    return replace(usual, **changes)


def gives(gross_mg: int, *, actions: int | None = None, trips: int | None = None) -> Any:
    """An assessor that gives this to every action, under these daily limits."""
    edition = replace(
        EDITION,
        daily_actions=actions,
        daily_quantity_milli=None if trips is None else trips * 1000,
        daily_gross_mg=None,
    )

    def assess(past: Past) -> Assessment:
        return Assessment(
            NEW, gross_mg, gross_mg * 89 // 100, (), past.value.quantity_milli, (), "CN", edition,
            450,
        )  # fmt: skip

    return assess


def restated(actions: list[Past], assess: Any) -> dict[UUID, Value]:
    return {
        one.past.action_id: one.now
        for one in restate_days(actions, from_=OLD, to=NEW, assess=assess)
    }


def test_an_action_gets_the_value_of_the_other_version() -> None:
    past = a_past()

    value = restated([past], gives(2_000))[past.action_id]

    assert (value.methodology, value.outcome) == (NEW, "credited")
    assert (value.gross_mg, value.avoided_mg, value.uncertainty_mg) == (2_000, 1_780, 801)


def test_a_refusal_takes_the_carbon_to_zero_and_keeps_the_cell() -> None:
    past = a_past()

    value = restated([past], lambda _: Refusal("implausible", "too far"))[past.action_id]

    assert (value.outcome, value.reason, value.detail) == ("refused", "implausible", "too far")
    assert (value.gross_mg, value.avoided_mg, value.uncertainty_mg) == (0, 0, 0)
    assert value.region == "CN"


def test_the_new_versions_limit_keeps_those_that_were_recorded_first() -> None:
    actions = [a_past(recorded_at=datetime(2026, 3, 2, hour, tzinfo=UTC)) for hour in (9, 7, 8)]

    values = restated(actions, gives(2_000, actions=2))

    outcomes = [values[one.action_id].outcome for one in actions]
    assert outcomes == ["capped", "credited", "credited"]
    assert values[actions[0].action_id].reason == "methodology_actions_per_day"


def test_what_a_limit_kept_out_is_let_in_when_the_limit_is_wider() -> None:
    limited = a_value(outcome="capped", reason="methodology_actions_per_day", avoided_mg=0)
    past = a_past(limited, points=0, was_limited=True)

    assert restated([past], gives(2_000, actions=5))[past.action_id].avoided_mg == 1_780


def test_a_reversed_action_moves_nothing_and_keeps_its_room() -> None:
    gone = a_past(is_reversed=True)
    stays = a_past(recorded_at=datetime(2026, 3, 2, 9, tzinfo=UTC))

    values = restated([gone, stays], gives(2_000, actions=1))

    assert set(values) == {stays.action_id}
    assert values[stays.action_id].outcome == "capped"


def test_an_action_that_is_under_the_new_version_already_keeps_its_room() -> None:
    ahead = a_past(a_value(NEW), recorded_at=datetime(2026, 3, 2, 9, tzinfo=UTC))
    past = a_past()

    values = restated([past, ahead], gives(2_000, actions=1))

    assert set(values) == {past.action_id}
    assert values[past.action_id].outcome == "capped"


def test_what_another_action_excludes_stays_excluded() -> None:
    excluded = a_value(outcome="capped", reason="excluded_that_day", avoided_mg=0, uncertainty_mg=0)
    past = a_past(excluded, points=0)

    value = restated([past], gives(2_000))[past.action_id]

    assert (value.methodology, value.avoided_mg, value.reason) == (NEW, 0, "excluded_that_day")


def test_other_days_and_people_have_limits_of_their_own() -> None:
    actions = [
        a_past(),
        a_past(local_day=DAY + timedelta(days=1)),
        a_past(person_id=UUID(int=2)),
    ]

    values = restated(actions, gives(2_000, actions=1))

    assert {value.outcome for value in values.values()} == {"credited"}


# A day of rides: for each, its trips, and which batch of the day it came with.
days = st.lists(st.tuples(st.integers(1, 6), st.integers(0, 3)), min_size=1, max_size=12).map(
    lambda rides: sorted(rides, key=lambda ride: ride[1])
)


def recorded(rides: list[tuple[int, int]], assess: Any) -> list[Past]:
    """The day as the intake records it: one after the other, each batch at one moment."""
    room, found = DayState(), []
    for trips, batch in rides:
        at = datetime(2026, 3, 2, batch, tzinfo=UTC)
        blank = a_past(a_value("", quantity_milli=trips * 1000), recorded_at=at)
        (moved,) = restate_days([blank], from_="", to=OLD, assess=assess)
        result = assess(blank)
        fits = room.actions < (result.edition.daily_actions or 99) and (
            room.quantity_milli + result.quantity_milli
            <= (result.edition.daily_quantity_milli or 10**9)
        )
        value = moved.now
        if not fits:
            value = value._replace(
                outcome="capped", reason="methodology_quantity_per_day", avoided_mg=0,
                uncertainty_mg=0,
            )  # fmt: skip
        past = replace(blank, value=value, points=int(fits), was_limited=not fits)
        take_room(room, value, past.points)
        found.append(past)
    return found


@given(days, st.integers(1, 12), st.integers(1, 30), st.integers(1, 12), st.integers(1, 30))
@hypothesis_settings(max_examples=examples(200))
def test_there_and_back_is_where_it_was(
    rides: list[tuple[int, int]], actions: int, trips: int, fewer: int, less: int
) -> None:
    old, new = gives(1_000, actions=actions, trips=trips), gives(3_000, actions=fewer, trips=less)
    before = recorded(rides, old)

    there = restate_days(before, from_=OLD, to=NEW, assess=new)
    between = [replace(one.past, value=one.now, sequence=1) for one in there]
    back = restate_days(between, from_=NEW, to=OLD, assess=old)

    amounts = {one.action_id: one.value[5:] for one in before}
    assert {one.past.action_id: one.now[5:] for one in back} == amounts
    limits = DayState()
    for one in there:
        take_room(limits, one.now, one.past.points)
    assert limits.actions <= fewer
    assert limits.quantity_milli <= less * 1000
    changes = [room_change(one) for one in (*there, *back)]
    assert [sum(column) for column in zip(*changes, strict=True)] == [0, 0, 0]


@pytest.mark.parametrize(
    ("total_mg", "year_mg", "asked"),
    [
        (100_000, 50_000, []),
        (17_800, 50_000, ["the cumulative total"]),
        (17_801, 8_900, ["the methodology's year 2026"]),
        (17_801, 8_901, []),
        (0, 0, ["the cumulative total", "the methodology's year 2026"]),
    ],
)
def test_rule_r13_compares_with_the_total_and_the_year(
    total_mg: int, year_mg: int, asked: list[str]
) -> None:
    """The effect is 890 mg: 5 percent of 17,800, 10 percent of 8,900."""
    effect = Effect(Before(total_mg, {"2026": year_mg}))
    effect.add(restate_days([a_past()], from_=OLD, to=NEW, assess=gives(2_000)))

    found = publication(read_effect(effect.as_json()))

    assert [one["of"] for one in found if one["asked"]] == asked
    assert effect.report()["publication"]["asked"] is bool(asked)


def test_what_is_apart_is_added_up_apart() -> None:
    effect = Effect(Before(10**9, {"2026": 10**9}))
    past = [a_past(), a_past(evidence_level="L0"), a_past(scope="3")]
    effect.add(restate_days(past, from_=OLD, to=NEW, assess=gives(2_000)))

    report = effect.report()

    assert (report["total"]["actions"], report["apart"]["actions"]) == (1, 2)
    assert report["total"]["difference_mg"] == "890"
    assert [row["month"] for row in report["by_month"]] == ["2026-03"]

"""Policy: grams become points under caps; the files are complete. Pure."""

from datetime import date, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as some
from pydantic import ValidationError

from service.points.policy import POLICY_FILE, Awarded, award, load_policy
from service.points.take_back import split

POLICY = load_policy()
METRO = POLICY.rule("transit.metro", date(2026, 6, 15))
CHINA = timezone(timedelta(hours=8))
few = some.integers(0, 100_000)


def test_points_are_full_grams() -> None:
    assert METRO.points_for(794_592) == 794
    assert METRO.points_for(999) == 0


def test_an_unknown_activity_has_the_default() -> None:
    assert POLICY.rule("something.new", date(2026, 6, 15)).points_per_day == 20_000


@pytest.mark.parametrize(
    ("day", "flat"), [(date(2024, 11, 30), None), (date(2024, 12, 1), 5), (date(1999, 1, 1), None)]
)
def test_the_policy_of_the_day_is_used(day: date, flat: int | None) -> None:
    assert POLICY.rule("paper.einvoice", day).flat_points == flat


def test_points_ripen_at_seven_on_the_next_local_morning() -> None:
    assert (
        METRO.ripe_at(datetime(2026, 6, 15, 23, 50, tzinfo=CHINA)).isoformat()
        == "2026-06-16T07:00:00+08:00"
    )


@pytest.mark.parametrize(
    ("so_far", "points", "cap"),
    [
        (Awarded(), 794, None),
        (Awarded(day_actions=12), 0, "actions_per_day"),
        (Awarded(day_points=5_300), 700, "points_per_day"),
        (Awarded(day_points=6_000), 0, "points_per_day"),
        (Awarded(month_points=59_999), 1, "points_per_month"),
        (Awarded(day_points=5_900, month_points=59_990), 10, "points_per_month"),
        (Awarded(day_points=5_206), 794, None),
    ],
)
def test_a_cap_leaves_what_it_leaves(so_far: Awarded, points: int, cap: str | None) -> None:
    given_points = award(METRO, 794_592, so_far, level="L1")

    assert (given_points.points, given_points.cap) == (points, cap)


@given(few, few, few, few, some.integers(0, 10**8))
def test_no_cap_is_ever_passed(
    day_actions: int, day_points: int, month_actions: int, month_points: int, mg: int
) -> None:
    so_far = Awarded(day_actions, day_points, month_actions, month_points)
    found = award(METRO, mg, so_far, level="L1")

    assert 0 <= found.points <= METRO.points_for(mg)
    if found.points:
        assert day_points + found.points <= 6_000
        assert month_points + found.points <= 60_000
        assert day_actions < 12


@given(few, few, few, some.integers(-100_000, 100_000))
def test_taking_back_adds_up(points: int, uncollected: int, kept: int, balance: int) -> None:
    taken = split(points, uncollected=uncollected, kept=kept, balance=balance)

    assert taken.points == min(points, uncollected) + min(points - min(points, uncollected), kept)
    assert 0 <= taken.from_earning <= uncollected
    assert 0 <= taken.from_balance <= max(0, balance)
    assert taken.from_balance + taken.as_debt <= kept
    assert not taken.as_debt or taken.from_balance == max(0, min(balance, kept))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("points_per_gram: 1", "points_per_gramme: 1"),
        ("lapses_after_h: 72", ""),
        ("days: 1", "days: -1"),
    ],
)
def test_a_broken_policy_stops_the_program(tmp_path: Path, old: str, new: str) -> None:
    file = tmp_path / "policy.yaml"
    file.write_text(POLICY_FILE.read_text().replace(old, new))

    with pytest.raises((ValidationError, ValueError)):
        load_policy(file)

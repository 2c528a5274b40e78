"""The goal's arithmetic."""

from datetime import date
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as some

from service.settings import GOAL_MG, PROGRAMME_FROM, PROGRAMME_TO
from service.totals.goal import goal_on

GT = 10**18


def test_the_goal_is_one_and_a_half_gigatonnes_in_fifteen_years() -> None:
    assert GOAL_MG == 1_500_000_000 * 1000 * 1000 * 1000
    assert (date(2021, 1, 1), date(2035, 12, 31)) == (PROGRAMME_FROM, PROGRAMME_TO)


def test_nothing_so_far_leads_nowhere() -> None:
    goal = goal_on(date(2021, 1, 1), avoided_mg=0, trailing_mg=0)

    assert goal.share == 0
    assert goal.run_rate_mg_per_year == 0
    assert goal.projected_year is None
    assert goal.required_rate_mg_per_year == int(GOAL_MG * Decimal("365.2425") / 5478)


def test_one_ride_is_visible_in_the_share() -> None:
    goal = goal_on(date(2026, 6, 15), avoided_mg=1_500_000, trailing_mg=1_500_000)

    assert goal.share == Decimal("0.000000000001")
    assert goal.projected_year is None


def test_the_run_rate_is_that_of_the_last_year() -> None:
    goal = goal_on(date(2026, 1, 1), avoided_mg=GT // 2, trailing_mg=365 * GT // 3650)

    assert goal.run_rate_mg_per_year == 365 * GT // 3650 * 3652425 // 3650000
    assert goal.projected_year == 2035


def test_a_goal_that_is_reached_needs_nothing_more() -> None:
    goal = goal_on(date(2033, 5, 1), avoided_mg=GOAL_MG + 1, trailing_mg=1)

    assert goal.required_rate_mg_per_year == 0
    assert goal.projected_year == 2033
    assert goal.share > 1 or goal.share == Decimal("1.000000000000")


def test_the_last_day_still_has_a_rate() -> None:
    assert goal_on(date(2035, 12, 31), avoided_mg=0, trailing_mg=0).required_rate_mg_per_year
    assert goal_on(date(2036, 1, 1), avoided_mg=0, trailing_mg=0).required_rate_mg_per_year is None


def test_before_the_programme_there_is_all_of_its_time() -> None:
    early = goal_on(date(2019, 1, 1), avoided_mg=0, trailing_mg=0)
    first = goal_on(date(2021, 1, 1), avoided_mg=0, trailing_mg=0)

    assert early.required_rate_mg_per_year == first.required_rate_mg_per_year


@given(
    some.dates(date(2020, 1, 1), date(2040, 1, 1)),
    some.integers(-(10**15), 2 * GOAL_MG),
    some.integers(-(10**15), GOAL_MG),
)
def test_the_figures_agree(day: date, avoided_mg: int, trailing_mg: int) -> None:
    goal = goal_on(day, avoided_mg=avoided_mg, trailing_mg=trailing_mg)

    assert goal.avoided_mg == avoided_mg
    assert abs(goal.share * GOAL_MG - avoided_mg) <= Decimal("0.5e-12") * GOAL_MG
    if goal.projected_year is not None:
        assert day.year <= goal.projected_year <= 9999
    if goal.required_rate_mg_per_year is not None:
        assert goal.required_rate_mg_per_year >= 0

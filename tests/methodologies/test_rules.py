"""The rules beside the sheets: what excludes what, and which means are plausible."""

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from methodologies.catalogue import load_catalogue
from methodologies.contract import CatalogueBroken
from methodologies.exclusive import load_exclusions
from methodologies.plausible import load_plausible

EXCLUSIVE = """
legs: {activities: [walk, ride], why: one at a time}
whole_days: {rest: {input: nights, why: a rest may be long}}
periods:
  rest: {period: day, sides: [[rest], [walk, ride]], why: rest counts them}
"""
PLAUSIBLE = """
least_actions: "30"
why_least: by judgement
means_g:
  walk: {least: "1.5", most: "20"}
"""


def written(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "rules.yaml"
    file.write_text(text)
    return file


def test_sides_exclude_each_other(tmp_path: Path) -> None:
    rules = load_exclusions(written(tmp_path, EXCLUSIVE))

    assert rules.legs == {"walk", "ride"}
    assert rules.in_day == {"rest": {"walk", "ride"}, "walk": {"rest"}, "ride": {"rest"}}
    assert rules.in_month == {}


def test_whole_days_end_with_the_action_s_own(tmp_path: Path) -> None:
    rules = load_exclusions(written(tmp_path, EXCLUSIVE))

    days = rules.days_of("rest", date(2026, 3, 1), {"nights": Decimal(3)})

    assert days == (date(2026, 2, 27), date(2026, 2, 28), date(2026, 3, 1))
    assert rules.days_of("walk", date(2026, 3, 1), {"nights": Decimal(3)}) == ()


def test_an_activity_may_be_in_several_groups(tmp_path: Path) -> None:
    more = EXCLUSIVE + "  steps: {period: day, sides: [[walk], [steps]], why: one holds the other}"

    rules = load_exclusions(written(tmp_path, more))

    assert rules.in_day["walk"] == {"rest", "steps"}
    assert rules.in_day["ride"] == {"rest"}


@pytest.mark.parametrize(
    ("old", "new", "line", "said"),
    [
        ("[rest], [walk", "[rest, walk], [walk", 5, "'walk' is on two sides"),
        ("[rest], [walk, ride]", "[rest]", 5, "two sides or more"),
        ("period: day", "period: year", 5, "'year' is not one of"),
        ("why: rest counts them", "y: 1", 5, "'y' is not known"),
        ("input: nights", "nights: all", 3, "'nights' is not known"),
        ("legs:", "legs: {}\nlegs:", 3, "a second time"),
    ],
)
def test_broken_exclusions_are_refused(
    tmp_path: Path, old: str, new: str, line: int, said: str
) -> None:
    with pytest.raises(CatalogueBroken, match=said) as refused:
        load_exclusions(written(tmp_path, EXCLUSIVE.replace(old, new)))

    assert (refused.value.file, refused.value.line) == ("rules.yaml", line)


def test_means_are_in_milligrams(tmp_path: Path) -> None:
    rules = load_plausible(written(tmp_path, PLAUSIBLE))

    assert rules.least_actions == 30
    assert rules.means["walk"].hold(1_500)
    assert rules.means["walk"].hold(20_000)
    assert not rules.means["walk"].hold(1_499)
    assert not rules.means["walk"].hold(20_001)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"1.5"', '"20"', "must be below most"),
        ('"1.5"', "1.5", "quoted string"),
        ('"30"', '"-1"', "0 or more"),
        ("why_least: by judgement", "", "'why_least' is missing"),
    ],
)
def test_broken_means_are_refused(tmp_path: Path, old: str, new: str, said: str) -> None:
    with pytest.raises(CatalogueBroken, match=said):
        load_plausible(written(tmp_path, PLAUSIBLE.replace(old, new)))


def test_the_rules_speak_of_activities_that_there_are() -> None:
    known = load_catalogue().activities

    assert load_exclusions().named <= known
    assert set(load_plausible().means) <= known

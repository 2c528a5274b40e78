"""Seasons come back every year or once, also over New Year."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.forest.season import Season, read_windows

ALWAYS = (date(2024, 1, 1), date(2030, 12, 31))
SPRING = {"from": "03-01", "to": "04-30"}
WINTER = {"from": "11-15", "to": "02-10"}
ONCE = {"from": "2026-07-01", "to": "2026-07-05"}


@pytest.mark.parametrize(
    ("windows", "day", "holds", "then"),
    [
        ([], "2026-05-05", True, None),
        ([], "2023-12-31", False, "2024-01-01"),
        ([], "2031-01-01", False, None),
        ([SPRING], "2026-03-01", True, "2027-03-01"),
        ([SPRING], "2026-05-01", False, "2027-03-01"),
        ([SPRING], "2030-05-01", False, None),
        ([WINTER], "2026-12-31", True, "2027-11-15"),
        ([WINTER], "2026-02-10", True, "2026-11-15"),
        ([WINTER], "2026-02-11", False, "2026-11-15"),
        ([SPRING, ONCE], "2026-06-01", False, "2026-07-01"),
        ([ONCE], "2026-07-06", False, None),
    ],
)
def test_a_season(windows: list, day: str, holds: bool, then: str | None) -> None:
    season = Season(*ALWAYS, read_windows(windows))
    at = date.fromisoformat(day)

    assert season.holds(at) is holds
    assert season.next_start(at) == (then and date.fromisoformat(then))


@given(st.dates(*ALWAYS), st.sampled_from([[], [SPRING], [WINTER], [ONCE], [SPRING, WINTER]]))
def test_between_two_seasons_there_is_none(day: date, windows: list) -> None:
    season = Season(*ALWAYS, read_windows(windows))
    then = season.next_start(day)

    if not season.holds(day):
        until = then or min(ALWAYS[1], day + timedelta(days=400))
        days = (until - day).days
        assert not any(season.holds(day + timedelta(days=n)) for n in range(days))


@pytest.mark.parametrize(
    ("start", "end"),
    [("02-29", "03-01"), ("13-01", "13-02"), ("03-01", "2026-04-01"), ("2026-04-01", "2026-03-01"),
     ("spring", "autumn")],
)  # fmt: skip
def test_a_wrong_window_is_refused(start: str, end: str) -> None:
    with pytest.raises(ValueError, match=r"MM-DD|before"):
        read_windows([{"from": start, "to": end}])

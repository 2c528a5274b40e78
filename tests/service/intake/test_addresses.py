"""Action ids carry their address."""

from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as some

from service.intake.address import OUTSIDE, address_of, first_day, month_of
from service.intake.ids import ActionIds

NOW = datetime(2026, 6, 15, tzinfo=UTC)
buckets, months = some.integers(0, 1023), some.integers(0, 179) | some.just(OUTSIDE)


@given(some.lists(some.tuples(buckets, months), min_size=1, max_size=50))
def test_an_id_gives_back_its_address(addresses: list[tuple[int, int]]) -> None:
    ids = ActionIds(NOW, len(addresses))

    taken = [ids.take(bucket, month) for bucket, month in addresses]

    assert [address_of(one) for one in taken] == addresses
    assert len(set(taken)) == len(taken)
    assert {(one.version, one.variant) for one in taken} == {(7, "specified in RFC 4122")}
    assert {one.int >> 80 for one in taken} == {int(NOW.timestamp() * 1000)}


@pytest.mark.parametrize(
    ("day", "month"),
    [
        (date(2021, 1, 1), 0),
        (date(2021, 1, 31), 0),
        (date(2024, 2, 29), 37),
        (date(2035, 12, 31), 179),
        (date(2020, 12, 31), OUTSIDE),
        (date(2036, 1, 1), OUTSIDE),
        (date.min, OUTSIDE),
    ],
)
def test_months_are_counted_from_the_start(day: date, month: int) -> None:
    assert month_of(day) == month


@given(some.integers(0, 179))
def test_a_month_starts_in_itself(month: int) -> None:
    assert month_of(first_day(month)) == month

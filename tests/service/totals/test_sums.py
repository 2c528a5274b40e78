"""Cells and sums: what is carbon, how they add up, and how Valkey holds them."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as some

from service.totals.keys import PEOPLE_FIELD
from service.totals.sums import Cell, Sum, Sums, fields_of, read_fields
from service.totals.uncertainty import relative_pct

METRO = Cell("transit.metro", "transit.metro@1.0.0", "L1", "CN", "3+")
BUS = METRO._replace(activity="transit.bus", methodology="transit.bus@1.0.0")
numbers = some.integers(-(2**62), 2**62)
a_sum = some.builds(Sum, numbers, numbers, numbers, numbers, numbers)
a_cell = some.builds(
    Cell,
    some.sampled_from(["transit.metro", "a.b"]),
    some.sampled_from(["transit.metro@1.0.0", "a.b@2.1.0"]),
    some.sampled_from(["L0", "L1", "L2"]),
    some.sampled_from(["CN", "US", ""]),
    some.sampled_from(["3", "3+"]),
)
some_sums = some.builds(Sums, some.dictionaries(a_cell, a_sum), some.integers(0, 10**9))


def test_only_scope_three_plus_from_a_platform_up_is_in_the_total() -> None:
    assert METRO.is_carbon
    assert METRO._replace(evidence_level="L4").is_carbon
    assert not METRO._replace(evidence_level="L0").is_carbon
    assert not METRO._replace(scope="3").is_carbon


@given(some_sums)
def test_valkey_gives_back_what_it_was_given(sums: Sums) -> None:
    fields = {
        name: str(value)
        for cell, total in sums.cells.items()
        for name, value in fields_of(cell, total)
    }

    read = read_fields({**fields, PEOPLE_FIELD: str(sums.people)})

    assert read == sums.without_empty()


@given(some_sums)
def test_every_split_adds_up_to_the_total(sums: Sums) -> None:
    for name in Cell._fields:
        split = Sum()
        for one in sums.carbon_by(name).values():
            split.add(one)
        assert split == sums.carbon()


def test_uncertainty_is_linear_inside_and_square_between_methodologies() -> None:
    inside = Sums(
        {METRO: Sum(1, 0, 100, 30, 0), METRO._replace(region="US"): Sum(1, 0, 100, 10, 0)}
    )
    between = Sums({METRO: Sum(1, 0, 100, 30, 0), BUS: Sum(1, 0, 100, 40, 0)})

    assert relative_pct(inside) == Decimal("20.0")
    assert relative_pct(between) == Decimal("25.0")


def test_nothing_has_no_uncertainty() -> None:
    assert relative_pct(Sums()) is None
    assert relative_pct(Sums({METRO: Sum(1, -5, 0, 0, 0)})) is None


def test_a_sum_near_the_goal_keeps_its_precision() -> None:
    sums = Sums({METRO: Sum(1, 0, 15 * 10**17, 75 * 10**16, 0)})

    assert relative_pct(sums) == Decimal("50.0")

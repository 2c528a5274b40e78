"""Cells and sums: what is carbon, how they add up, and how Valkey holds them."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as some

from service.journal.cell import SHOWN, Amounts, LiveCell, live_fields
from service.totals.keys import PEOPLE_FIELD
from service.totals.sums import Sums, read_fields
from service.totals.uncertainty import relative_pct

METRO = LiveCell("transit.metro", "transit.metro@1.0.0", "L1", "CN", "3+")
BUS = METRO._replace(activity="transit.bus", methodology="transit.bus@1.0.0")
numbers = some.integers(-(2**62), 2**62)
a_sum = some.builds(Amounts, **dict.fromkeys(SHOWN, numbers))
a_cell = some.builds(
    LiveCell,
    some.sampled_from(["transit.metro", "a.b"]),
    some.sampled_from(["transit.metro@1.0.0", "a.b@2.1.0"]),
    some.sampled_from(["L0", "L1", "L2"]),
    some.sampled_from(["CN", "US", ""]),
    some.sampled_from(["3", "3+"]),
)
some_sums = some.builds(Sums, some.dictionaries(a_cell, a_sum), some.integers(0, 10**9))


def an_amount(avoided_mg: int, uncertainty_mg: int) -> Amounts:
    return Amounts(actions=1, avoided_mg=avoided_mg, uncertainty_mg=uncertainty_mg)


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
        for name, value in live_fields(cell, total)
    }

    read = read_fields({**fields, PEOPLE_FIELD: str(sums.people)})

    assert read == sums.without_empty()


@given(some_sums)
def test_every_split_adds_up_to_the_total(sums: Sums) -> None:
    for name in LiveCell._fields:
        split = sum(sums.carbon_by(name).values(), Amounts())
        assert split == sums.carbon()


def test_uncertainty_is_linear_inside_and_square_between_methodologies() -> None:
    inside = Sums({METRO: an_amount(100, 30), METRO._replace(region="US"): an_amount(100, 10)})
    between = Sums({METRO: an_amount(100, 30), BUS: an_amount(100, 40)})

    assert relative_pct(inside) == Decimal("20.0")
    assert relative_pct(between) == Decimal("25.0")


def test_nothing_has_no_uncertainty() -> None:
    assert relative_pct(Sums()) is None
    assert relative_pct(Sums({METRO: Amounts(actions=1, gross_mg=-5)})) is None


def test_a_sum_near_the_goal_keeps_its_precision() -> None:
    sums = Sums({METRO: an_amount(15 * 10**17, 75 * 10**16)})

    assert relative_pct(sums) == Decimal("50.0")

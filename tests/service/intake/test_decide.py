"""The pure rules of a decision: what no request shows to the milligram."""

from typing import cast

from hypothesis import given
from hypothesis import strategies as some

from methodologies.contract import Assessment, Edition
from service.intake.decide import half_width_mg


@given(some.integers(0, 10**15), some.integers(0, 3_000))
def test_an_uncertainty_is_never_stated_smaller_than_it_is(credited: int, permille: int) -> None:
    result = Assessment("a@1", 0, 0, (), 0, (), "CN", cast("Edition", None), permille)

    assert 0 <= half_width_mg(credited, result) * 1000 - credited * permille < 1000

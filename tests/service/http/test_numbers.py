"""Numbers from outside have a reach; the rule is the same for texts, JSON and models."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as some
from pydantic import TypeAdapter, ValidationError

from service.http.numbers import Number, exact, whole

_NUMBER = TypeAdapter(Number)


@given(some.decimals(allow_nan=False, allow_infinity=False, min_value=-1_000, max_value=1_000),
       some.integers(-60, 60))  # fmt: skip
def test_a_number_is_read_exactly_or_refused(number: Decimal, shift: int) -> None:
    text = str(number.scaleb(shift))
    is_near = -30 <= Decimal(text).adjusted() <= 30 and len(text) <= 64

    if is_near:
        assert exact(text) == Decimal(text)
        assert _NUMBER.validate_python(text) == Decimal(text)
        return
    with pytest.raises(ValueError, match="exponent"):
        exact(text)


@pytest.mark.parametrize("text", ["1e31", "1e-31", "1e999999999", "0e999999999", "-1e31",
                                  "1" * 40, "NaN", "Infinity", "x"])  # fmt: skip
def test_what_is_out_of_reach_is_refused_by_models_too(text: str) -> None:
    with pytest.raises(ValidationError):
        _NUMBER.validate_python(text)
    with pytest.raises(ValueError, match="number"):
        exact(text)


@given(some.integers())
def test_a_whole_number_has_at_most_31_digits(number: int) -> None:
    text = str(number)
    if abs(number) < 10**31:
        assert whole(text) == number
        return
    with pytest.raises(ValueError, match="exponent"):
        whole(text)

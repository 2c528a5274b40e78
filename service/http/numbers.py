"""How large and how exact a number from outside may be: one rule for every JSON that is read.

Beyond it, printing or rounding a number takes time and memory that its text does not show:
`1e1000000` is nine characters, and a million digits.
"""

from decimal import Decimal, InvalidOperation
from typing import Annotated

from pydantic import AfterValidator, Field

EXPONENT_MAX = 30  # a number's first digit stands for 1e-30 to 1e30
CHARACTERS_MAX = 64
_WHY = f"must be a number with an exponent of -{EXPONENT_MAX} to {EXPONENT_MAX}"


def within_reach(number: Decimal) -> Decimal:
    """Return the number. Raises ValueError for one that is too large, too small, or no number."""
    if not number.is_finite() or not -EXPONENT_MAX <= number.adjusted() <= EXPONENT_MAX:
        raise ValueError(_WHY)
    return number


def exact(text: str) -> Decimal:
    """Return the number in a text, exactly. Raises ValueError."""
    if len(text) > CHARACTERS_MAX:
        raise ValueError(f"{_WHY}, in at most {CHARACTERS_MAX} characters")
    try:
        return within_reach(Decimal(text))
    except InvalidOperation as error:
        raise ValueError(_WHY) from error


def whole(text: str) -> int:
    """Return the whole number in a text of JSON. Raises ValueError."""
    if len(text) - text.startswith("-") > EXPONENT_MAX + 1:
        raise ValueError(_WHY)
    return int(text)


Number = Annotated[Decimal, Field(allow_inf_nan=False), AfterValidator(within_reach)]

"""Single values of an event's data: from what the wire has to exact numbers, texts and ids.

Every function raises ValueError with a sentence that says what the value must be.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Context, Decimal, Inexact, InvalidOperation, Overflow, Subnormal
from functools import partial

from methodologies.contract import ClaimKind, Inputs

DIGITS_MAX = 18
EXPONENT_MAX = 18
TEXT_MAX = 128
ID_MAX = 64
IDS_MAX = 50
NUMERIC = ("number", "count")
LISTS = ("numbers", "rows")
KINDS = (*NUMERIC, *LISTS, "text", "choice", "switch", "id", "ids")

# Reading is exact or refused: a number that would be rounded in 18 digits raises here.
_EXACT = Context(
    prec=DIGITS_MAX,
    Emin=-EXPONENT_MAX,
    Emax=EXPONENT_MAX,
    traps=[InvalidOperation, Inexact, Overflow, Subnormal],
)
_exactly = _EXACT.create_decimal
_is_plain = re.compile(r"[+-]?[0-9]{1,40}(\.[0-9]{1,40})?", re.ASCII).fullmatch
_NO_NUMBER = 'must be a number, such as 12.4 or "12.4"'

# Files a value; the answer is what the sheet's limits have against it, if anything.
Put = Callable[[str, object, Inputs], str | None]


@dataclass(frozen=True, slots=True)
class Input:
    """One declared input. Limits belong to numbers and counts, `choices` to a choice.

    `claim` is the kind of the thing that an id names, `claim_kind` among whom its number is one;
    `counts` is the number input that says how
    many such things the event is about, so that an id or a list of ids can be held against it. An
    event without an `expected` input is accepted and flagged. A list has at most `at_most` entries
    with these `columns`; the entry of a list of numbers has one column, named like the list.
    """

    name: str
    kind: str
    unit: str | None
    required: bool
    low: Decimal | None
    high: Decimal | None
    soft_high: Decimal | None
    default: str | None
    choices: tuple[str, ...]
    claim: str | None
    counts: str | None
    expected: bool = False
    at_most: int | None = None
    columns: tuple["Input", ...] = ()
    claim_kind: ClaimKind | None = None


@dataclass(frozen=True, slots=True)
class NumberRule:
    """A number input made ready for reading."""

    name: str
    read: Callable[[object], Decimal]
    low: Decimal
    high: Decimal
    soft_high: Decimal
    unit: str
    flag: str

    def outside(self, number: Decimal) -> str:
        return (
            f"{self.name} is {number} {self.unit}; "
            f"the sheet accepts {self.low} to {self.high} {self.unit}"
        )


def number_rule(one: Input) -> NumberRule:
    """Return what reads and limits the numbers of a number or count input."""
    assert one.low is not None
    assert one.high is not None
    return NumberRule(
        name=one.name,
        read=_count if one.kind == "count" else _number,
        low=one.low,
        high=one.high,
        soft_high=one.high if one.soft_high is None else one.soft_high,
        unit=one.unit or "",
        flag=f"soft_limit:{one.name}",
    )


def putter(one: Input) -> Put:
    """Return the function that files a value of an input which is not a number."""
    if one.kind == "choice":
        return partial(_put_choice, one.choices)
    return {"text": _put_text, "switch": _put_switch, "id": _put_id, "ids": _put_ids}[one.kind]


def _number(raw: object) -> Decimal:
    """Return a Decimal, an int or a plain decimal string as an exact number."""
    if isinstance(raw, str):
        if not _is_plain(raw):
            raise ValueError(_NO_NUMBER)
    elif isinstance(raw, Decimal):
        if not raw.is_finite():
            raise ValueError("must be a finite number")
    elif not isinstance(raw, int) or isinstance(raw, bool):
        raise ValueError(_NO_NUMBER)
    try:
        return _exactly(raw)
    except (Inexact, Overflow, Subnormal, InvalidOperation) as wrong:
        raise ValueError(
            f"must have at most {DIGITS_MAX} significant digits and a usual size"
        ) from wrong


def _count(raw: object) -> Decimal:
    number = _number(raw)
    if number != number.to_integral_value():
        raise ValueError("must be a whole number")
    return number


def _put_text(name: str, raw: object, inputs: Inputs) -> None:
    if not isinstance(raw, str) or not 1 <= len(raw) <= TEXT_MAX or not raw.isprintable():
        raise ValueError(f"must be text of 1 to {TEXT_MAX} printable characters, or left out")
    inputs.texts[name] = raw


def _put_choice(choices: tuple[str, ...], name: str, raw: object, inputs: Inputs) -> None:
    if not isinstance(raw, str) or raw not in choices:
        raise ValueError(f"must be one of {', '.join(choices)}")
    inputs.texts[name] = raw


def _put_switch(name: str, raw: object, inputs: Inputs) -> None:
    if not isinstance(raw, bool):
        raise ValueError("must be true or false")
    inputs.switches[name] = raw


def _put_id(name: str, raw: object, inputs: Inputs) -> None:
    inputs.texts[name] = _id(raw)


def _put_ids(name: str, raw: object, inputs: Inputs) -> None:
    if not isinstance(raw, list) or not 1 <= len(raw) <= IDS_MAX:
        raise ValueError(f"must be a list of 1 to {IDS_MAX} ids")
    inputs.ids[name] = tuple(_id(one) for one in raw)
    if len(set(raw)) < len(raw):
        raise ValueError("names an id twice")


def _id(raw: object) -> str:
    if (
        not isinstance(raw, str)
        or not 1 <= len(raw) <= ID_MAX
        or not (raw.isascii() and raw.isprintable())
        or " " in raw
    ):
        raise ValueError(
            f"must be an id of 1 to {ID_MAX} printable ASCII characters without spaces"
        )
    return raw

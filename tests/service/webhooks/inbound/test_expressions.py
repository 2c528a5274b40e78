"""Expressions: exact numbers, clear faults, and an end to every evaluation."""

import json
from decimal import Decimal

import jmespath
import pytest
from hypothesis import given
from hypothesis import strategies as some

from service.webhooks.inbound.expressions import (
    Budget,
    EvaluationFailed,
    ExpressionInvalid,
    compile_expression,
)

PAYLOAD = json.loads(
    '{"order": {"id": 7, "price": 0.1, "tags": ["a", "b"], "items": [{"n": 1.5}, {"n": 2.25}],'
    ' "name": "x", "none": null, "yes": true}}',
    parse_float=Decimal,
)


def found(text: str, value: object = PAYLOAD) -> object:
    return compile_expression(text)(value, Budget())


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("order.id", 7),
        ("order.price", Decimal("0.1")),
        ("order.price == `0.1`", True),
        ("order.price < `0.11`", True),
        ("sum(order.items[].n)", Decimal("3.75")),
        ("avg(order.items[].n)", Decimal("1.875")),
        ("max_by(order.items, &n).n", Decimal("2.25")),
        ("sort_by(order.items, &n)[0].n", Decimal("1.5")),
        ("type(order.price)", "number"),
        ("to_number('0.30')", Decimal("0.30")),
        ("to_string(order.price)", "0.1"),
        ("multiply(order.price, `3`)", Decimal("0.3")),
        ("divide(`12400`, `1000`)", Decimal("12.4")),
        ("ceil(order.price)", 1),
        ("abs(`-1.25`)", Decimal("1.25")),
        ("from_epoch(`1781483400`, 'Asia/Shanghai')", "2026-06-15T08:30:00+08:00"),
        ("in_zone('2026-06-15 08:30:00', 'Asia/Shanghai')", "2026-06-15T08:30:00+08:00"),
        ("in_zone('2026-06-15T00:30:00+00:00', 'Asia/Shanghai')", "2026-06-15T08:30:00+08:00"),
        ("contains(order.tags, 'a') && order.yes", True),
        ("order.missing.deep", None),
        ("order.name.deep", None),
        ("order.items == `[]`", False),
    ],
)
def test_numbers_stay_exact(text: str, value: object) -> None:
    assert found(text) == value
    assert not isinstance(found(text), float)


@pytest.mark.parametrize(
    ("text", "position"),
    [("order..id", 6), ("order.", None), ("order[", None), ("a b", 2), ("'open", None), ("&&", 0),
     ("nothing(@)", None), ("`NaN`", None), ("x" * 2_000, None), ("(" * 500, None)],
)  # fmt: skip
def test_what_does_not_compile_says_where(text: str, position: int | None) -> None:
    with pytest.raises(ExpressionInvalid) as told:
        compile_expression(text)

    if position is not None:
        assert told.value.position == position
        assert f"character {position}" in str(told.value)


@pytest.mark.parametrize(
    "text",
    ["divide(order.id, `0`)", "sum(order.tags)", "from_epoch(`99999999999999`, 'UTC')",
     "from_epoch(`1`, '../etc/passwd')", "in_zone('yesterday', 'UTC')", "abs(order.name)",
     "order.items == order.items", "contains(order.tags, order.items)", "to_string(order)",
     "divide(order.id)", "order.name < order.id", "multiply(to_number('9e999999'), `9`)",
     "multiply(@, order.id)"],
)  # fmt: skip
def test_what_cannot_be_evaluated_says_why(text: str) -> None:
    with pytest.raises(EvaluationFailed) as told:
        found(text)

    assert len(str(told.value)) > 8


@pytest.mark.parametrize(
    "text",
    [
        "[@,@][]" + " | [@,@][]" * 80,
        "order.name" + " | join(@, [@,@])" * 50,
        "order.name" + " | [@,@] | join('', @)" * 40,
        " | ".join(["[@,@]"] * 100) + " | @ == @",
    ],
)
def test_a_bomb_does_not_go_off(text: str) -> None:
    with pytest.raises((EvaluationFailed, ExpressionInvalid)):
        found(text)


json_values = some.recursive(
    some.none() | some.booleans() | some.integers(-1000, 1000) | some.text(max_size=5),
    lambda inner: (
        some.lists(inner, max_size=3)
        | some.dictionaries(some.sampled_from("abc"), inner, max_size=3)
    ),
    max_leaves=10,
)


@given(json_values, some.lists(some.sampled_from("abc"), min_size=1, max_size=3))
def test_paths_find_what_the_reference_finds(value: object, names: list[str]) -> None:
    text = ".".join(names)

    assert found(text, value) == jmespath.search(text, value)
    for condition in (
        f"{text} == `1` || !a",
        f"{text} != 'x' && b",
        f"!({text}) && a.b == b.a",
        f"{text} < `3` || {text} >= a",
    ):
        try:
            expected = jmespath.search(condition, value)
        except TypeError:
            expected = EvaluationFailed
        try:
            assert found(condition, value) == expected
        except EvaluationFailed:
            assert "==" in condition or expected is EvaluationFailed
    assert found(f"({text})[0] || @", value) == jmespath.search(f"({text})[0] || @", value)

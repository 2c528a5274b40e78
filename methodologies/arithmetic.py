"""The one decimal arithmetic of all sums: its precision, its rounding, its written form."""

import ast
from collections.abc import Callable
from decimal import (
    ROUND_DOWN,
    Context,
    Decimal,
    DivisionByZero,
    InvalidOperation,
    Overflow,
    localcontext,
)

# Inputs have at most 18 digits and factors about 10, so every product and sum is exact in 34 (the
# precision of IEEE decimal128); only a division that does not end is cut, towards zero, and too far
# below a milligram to change one.
ARITHMETIC = Context(
    prec=34, rounding=ROUND_DOWN, traps=[InvalidOperation, DivisionByZero, Overflow]
)

MG_PER_G = Decimal(1000)

_OPERATIONS: dict[type[ast.operator], Callable[[Decimal, Decimal], Decimal]] = {
    ast.Add: lambda left, right: left + right,
    ast.Sub: lambda left, right: left - right,
    ast.Mult: lambda left, right: left * right,
    ast.Div: lambda left, right: left / right,
}
_CHOICES: dict[str, Callable[[Decimal, Decimal], Decimal]] = {"min": min, "max": max}


def evaluate(text: str) -> Decimal:
    """Return the value of a written sum: plain decimals with + - * / ( ), min(,) and max(,).

    ValueError: anything else stands in the text, or it divides by zero.
    """
    try:
        tree = ast.parse(text, mode="eval")
        with localcontext(ARITHMETIC):
            return _value(tree.body, text)
    except (SyntaxError, DivisionByZero, InvalidOperation) as wrong:
        raise ValueError(f"{text!r} is not a sum that can be worked out") from wrong


def _value(node: ast.expr, text: str) -> Decimal:
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATIONS:
        return _OPERATIONS[type(node.op)](_value(node.left, text), _value(node.right, text))
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -_value(node.operand, text)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and not node.keywords:
        choose = _CHOICES.get(node.func.id)
        if choose and len(node.args) == 2:
            return choose(_value(node.args[0], text), _value(node.args[1], text))
    if isinstance(node, ast.Constant):
        # The digits as written: what the parser made of them is binary.
        return Decimal(ast.get_source_segment(text, node) or "")
    raise ValueError(f"{text!r} holds more than numbers, + - * / ( ), min and max")


def plain(number: Decimal) -> str:
    """Return the number as text, without exponent and without zeros at its end."""
    text = format(number, "f")
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text in {"-0", ""} else text

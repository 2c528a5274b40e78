"""JMESPath with exact numbers and bounded work. Pure.

Numbers with a point are Decimals, in payloads and in literals. Every step of an evaluation is
counted, and so is every element it makes, so that all expressions over a payload end soon.
Functions beside the standard ones: `multiply(a, b)`, `divide(a, b)`, `from_epoch(seconds, zone)`
and `in_zone(text, zone)`, a time of that zone as RFC 3339 with its offset.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation, localcontext
from functools import lru_cache
from typing import Any, cast
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import jmespath
from jmespath import exceptions, functions
from jmespath.visitor import Options, TreeInterpreter

from service.http.numbers import CHARACTERS_MAX as CHARACTERS_MAX_OF_NUMBER
from service.http.numbers import exact, whole, within_reach

CHARACTERS_MAX = 1_024
STEPS_MAX = 10_000  # of all rules over all items of one payload; some 30 ms
CHARACTERS_A_STEP = 64  # of an expression without loops
DIGITS = 28

Node = dict[str, Any]
_CONDITIONS = ("comparator", "and_expression", "or_expression", "not_expression")


class ExpressionInvalid(ValueError):
    """An expression that does not compile; `position` is the character from 0, or None."""

    def __init__(self, why: str, position: int | None = None) -> None:
        super().__init__(why if position is None else f"at character {position}: {why}")
        self.position = position


class EvaluationFailed(ValueError):
    """An expression that cannot be evaluated on this payload: a wrong type, or too much work."""


class Budget:
    """What evaluations may still cost: one budget for all that is evaluated over a payload."""

    __slots__ = ("left",)

    def __init__(self, steps: int = STEPS_MAX) -> None:
        self.left = steps

    @property
    def is_spent(self) -> bool:
        """Whether something was left out for want of steps."""
        return self.left < 0

    def spend(self, steps: int) -> None:
        """Take `steps` from the budget. Raises EvaluationFailed when nothing is left."""
        self.left -= steps
        if self.left < 0:
            raise EvaluationFailed("takes too many steps, or makes too much, on this payload")


@dataclass(frozen=True, slots=True)
class Expression:
    """A compiled expression."""

    text: str
    tree: Node
    path: Callable[[Any], Any] | None
    cost: int

    def __call__(self, value: object, budget: Budget) -> object:
        """Return what the expression finds in `value`, or None.

        Raises EvaluationFailed.
        """
        if self.path is not None:
            budget.spend(self.cost)
            return self.path(value)
        try:
            return _Interpreter(budget).visit(self.tree, value)
        except EvaluationFailed:
            raise
        except RecursionError as error:
            raise EvaluationFailed("is nested too deeply for this payload") from error
        except (exceptions.JMESPathError, ArithmeticError, ValueError, TypeError) as error:
            raise EvaluationFailed(_sentence(error)) from error


@lru_cache(maxsize=4_096)
def compile_expression(text: str) -> Expression:
    """Compile an expression. Raises ExpressionInvalid with the position of what is wrong."""
    if len(text) > CHARACTERS_MAX:
        raise ExpressionInvalid(f"is longer than {CHARACTERS_MAX} characters")
    try:
        tree = cast("Node", jmespath.compile(text).parsed)
    except (exceptions.LexerError, exceptions.ParseError) as error:
        raise ExpressionInvalid(_sentence(error), getattr(error, "lex_position", None)) from error
    except (exceptions.JMESPathError, ValueError, IndexError) as error:
        raise ExpressionInvalid(_sentence(error)) from error
    except RecursionError as error:
        raise ExpressionInvalid("is nested too deeply") from error
    tree = _exact(tree)
    return Expression(text, tree, _direct(tree), cost=1 + len(text) // CHARACTERS_A_STEP)


def _sentence(error: Exception) -> str:
    first = str(error).partition("\n")[0].strip().rstrip(".:")
    return first or type(error).__name__


def _exact(node: Node) -> Node:
    """Return the tree with Decimals for floats in literals, and only functions that there are."""
    value = node.get("value")
    if node["type"] == "literal":
        return {**node, "value": _exact_literal(value)}
    if node["type"] == "function_expression" and value not in _Functions.FUNCTION_TABLE:
        raise ExpressionInvalid(f"there is no function {value}()")
    children = [_exact(one) if isinstance(one, dict) else one for one in node["children"]]
    return {**node, "children": children}


def _exact_literal(value: object) -> object:
    try:
        return json.loads(
            json.dumps(value), parse_float=exact, parse_int=whole, parse_constant=_no_constant
        )
    except ValueError as error:
        raise ExpressionInvalid(
            "a literal must be JSON, without NaN, Infinity and numbers of an exponent beyond 30"
        ) from error


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is no number")


def _direct(node: Node) -> Callable[[Any], Any] | None:
    """Return a plain function for the commonest expressions: paths, scalars, and conditions over
    them.

    It has no loop, so its cost is that of its text.
    """
    kind = node["type"]
    if kind == "literal":
        value = node["value"]
        return None if isinstance(value, list | dict) else lambda _: value
    names = _names(node)
    if names is not None:
        return _walk(names)
    parts = [_direct(child) for child in node["children"]] if kind in _CONDITIONS else []
    known = [part for part in parts if part is not None]
    if not known or len(known) != len(parts):
        return None
    if kind == "comparator":
        left, right = known
        name = node["value"]
        return lambda value: _compared(name, left(value), right(value))
    return _logical(kind, known)


def _walk(names: tuple[str, ...]) -> Callable[[Any], Any]:
    def walk(value: Any) -> Any:
        for name in names:
            if not isinstance(value, dict):
                return None
            value = value.get(name)
        return value

    return walk


def _logical(kind: str, parts: Sequence[Callable[[Any], Any]]) -> Callable[[Any], Any]:
    first = parts[0]
    if kind == "or_expression":
        second = parts[1]
        return lambda value: second(value) if is_false(found := first(value)) else found
    if kind == "and_expression":
        second = parts[1]
        return lambda value: found if is_false(found := first(value)) else second(value)
    return lambda value: is_false(first(value))


def is_false(value: object) -> bool:
    """Return what JMESPath takes for false; zero is true."""
    return value is None or value is False or (isinstance(value, str | list | dict) and not value)


def _compared(name: str, left: Any, right: Any) -> Any:
    """Raise EvaluationFailed for a comparison of lists or objects: its cost has no bound."""
    if name not in ("eq", "ne"):
        if not (_is_ordered(left) and _is_ordered(right)):
            return None
    elif isinstance(left, list | dict) and isinstance(right, list | dict) and left and right:
        raise EvaluationFailed("two lists or objects cannot be compared; compare their parts")
    try:
        return TreeInterpreter.COMPARATOR_FUNC[name](left, right)
    except TypeError as error:
        raise EvaluationFailed("a text and a number have no order") from error


def _names(node: Node) -> tuple[str, ...] | None:
    if node["type"] == "field":
        return (node["value"],)
    if node["type"] == "subexpression":
        parts = [_names(child) for child in node["children"]]
        return None if None in parts else tuple(name for part in parts if part for name in part)
    return None


class _Functions(functions.Functions):
    """The standard functions over exact numbers, and four more."""

    def _get_allowed_pytypes(self, types: Sequence[str]) -> tuple[list[str], list[Any]]:
        allowed, subtypes = super()._get_allowed_pytypes(types)  # type: ignore[misc]  # not in the stubs
        also = ["Decimal"] if "number" in types else []
        return [*allowed, *also], [(*one, "Decimal") if "float" in one else one for one in subtypes]

    def _convert_to_jmespath_type(self, pyobject: str) -> str:
        if pyobject == "Decimal":
            return "number"
        return str(super()._convert_to_jmespath_type(pyobject))  # type: ignore[misc]  # as above

    @functions.signature({"types": []})
    def _func_type(self, arg: object) -> str:
        return self._convert_to_jmespath_type(type(arg).__name__)

    @functions.signature({"types": []})
    def _func_to_number(self, arg: object) -> object:
        if isinstance(arg, bool | list | dict) or arg is None:
            return None
        text = str(arg)
        if len(text) > CHARACTERS_MAX_OF_NUMBER:
            return None
        try:
            number = Decimal(text)
        except InvalidOperation:
            return None
        return _reachable(number) if number.is_finite() else None

    @functions.signature({"types": []})
    def _func_to_string(self, arg: object) -> str:
        if isinstance(arg, str):
            return arg
        if isinstance(arg, list | dict):
            raise EvaluationFailed("to_string() takes a text, a number, true, false or null")
        return str(arg) if isinstance(arg, Decimal) else json.dumps(arg)

    @functions.signature({"types": ["array", "string"]}, {"types": []})
    def _func_contains(self, subject: Any, search: object) -> bool:
        if isinstance(search, list | dict):
            raise EvaluationFailed("contains() looks for a text, a number, true, false or null")
        if isinstance(subject, str) and not isinstance(search, str):
            return False
        return search in subject

    @functions.signature({"types": ["array-number"]})
    def _func_avg(self, arg: list[Any]) -> object:
        return self._func_divide(sum(map(Decimal, arg)), len(arg)) if arg else None

    @functions.signature({"types": ["number"]}, {"types": ["number"]})
    def _func_multiply(self, left: Any, right: Any) -> Decimal:
        with localcontext(prec=DIGITS):
            return _finite(Decimal(left) * Decimal(right))

    @functions.signature({"types": ["number"]}, {"types": ["number"]})
    def _func_divide(self, left: Any, right: Any) -> Decimal:
        if right == 0:
            raise EvaluationFailed("divide() by zero")
        with localcontext(prec=DIGITS):
            return _finite(Decimal(left) / Decimal(right))

    @functions.signature({"types": ["number"]}, {"types": ["string"]})
    def _func_from_epoch(self, at: Any, zone: str) -> str:
        try:
            moment = datetime.fromtimestamp(int(at), UTC)
        except (OverflowError, OSError, ValueError) as error:
            raise EvaluationFailed("from_epoch() takes seconds since 1970") from error
        return moment.astimezone(_zone(zone)).isoformat()

    @functions.signature({"types": ["string"]}, {"types": ["string"]})
    def _func_in_zone(self, text: str, zone: str) -> str:
        try:
            moment = datetime.fromisoformat(text)
        except ValueError as error:
            raise EvaluationFailed("in_zone() takes a time such as 2026-11-22 08:03:11") from error
        time_zone = _zone(zone)
        with_zone = moment.replace(tzinfo=time_zone) if moment.tzinfo is None else moment
        return with_zone.astimezone(time_zone).isoformat()


def _finite(number: Decimal) -> Decimal:
    return _reachable(number).normalize() if number else Decimal(0)


def _reachable(number: Decimal) -> Decimal:
    try:
        return within_reach(number)
    except ValueError as error:
        raise EvaluationFailed("makes a number with an exponent beyond 30") from error


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise EvaluationFailed(f"there is no time zone {name[:64]!r}") from error


class _Interpreter(TreeInterpreter):
    """Evaluates an expression and spends from the budget at every step."""

    def __init__(self, budget: Budget) -> None:
        super().__init__(Options(custom_functions=_FUNCTIONS))
        self._budget = budget

    def visit(self, node: Any, *args: Any, **kwargs: Any) -> Any:
        found = super().visit(node, *args, **kwargs)
        self._budget.spend(1 + (len(found) if isinstance(found, list | str | dict) else 0))
        return found

    def visit_comparator(self, node: Any, value: Any) -> Any:
        left, right = (self.visit(child, value) for child in node["children"])
        return _compared(node["value"], left, right)


def _is_ordered(value: object) -> bool:
    return isinstance(value, int | Decimal | str) and not isinstance(value, bool)


_FUNCTIONS = _Functions()

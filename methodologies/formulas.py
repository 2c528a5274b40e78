"""The written formulas of a rule, compiled to one function of exact decimals.

A formula holds plain numbers, names in braces, + - * / ( ), min(,) and max(,), and sums over a list
such as `[trips: {persons} * {km}]`. Only what is read here as one of these is ever compiled.
"""

import re
from collections.abc import Callable, Container, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from types import CodeType
from typing import cast

from methodologies.contract import Estimate, FactorNotFound, FactorTable, Inputs
from methodologies.inputs import Band
from methodologies.values import LISTS, NUMERIC, Input

LINES = ("baseline", "project", "leakage")
LENGTH_MAX = 1_000  # characters of a formula
DEPTH_MAX = 20  # parentheses and minus signs inside each other

Estimator = Callable[[Inputs, FactorTable], Estimate]

_TOKEN = re.compile(
    r"(?P<number>[0-9]+(\.[0-9]+)?)|\{(?P<name>[a-z_0-9]+)\}|\[(?P<list>[a-z_0-9]+):"
    r"|(?P<choice>min|max)\b|(?P<sign>[-+*/(),\]])",
    re.ASCII,
)


class FormulaInvalid(ValueError):
    """The formula of a line cannot be compiled; the text says why, and at which character."""

    def __init__(self, line: str, reason: str) -> None:
        self.line = line
        super().__init__(f"{line}, {reason}")


@dataclass(frozen=True, slots=True)
class Names:
    """What a name in a formula may stand for, besides the role of a factor.

    `optional` are those that an event may leave out. `lists` holds the columns of each list.
    """

    numbers: frozenset[str]
    switches: frozenset[str]
    texts: frozenset[str]
    optional: frozenset[str] = frozenset()
    lists: Mapping[str, "Names"] = field(default_factory=dict)

    def __contains__(self, name: str) -> bool:
        return name in self.numbers or name in self.switches or name in self.texts


@dataclass(frozen=True, slots=True)
class Formulas:
    """The three lines of one rule, ready to be worked out.

    `work_out` takes what an event says and the table that has the rule's factors; it gives grams.
    `needs` are the inputs that it reads and an event may leave out, as (field of `Inputs`, name);
    `can` says whether the event gives them all.
    """

    work_out: Estimator
    can: Callable[[Inputs], bool]
    needs: tuple[tuple[str, str], ...]


def names_of(inputs: tuple[Input, ...], bands: tuple[Band, ...] = ()) -> Names:
    """What the names of a sheet's inputs and bands stand for, or those of a list's columns."""
    optional = {one.name for one in inputs if not one.required and one.default is None}
    return Names(
        numbers=frozenset(one.name for one in inputs if one.kind in NUMERIC),
        switches=frozenset(one.name for one in inputs if one.kind == "switch"),
        texts=frozenset(
            [one.name for one in inputs if one.kind in ("choice", "text")]
            + [band.name for band in bands]
        ),
        optional=frozenset(optional | {band.name for band in bands if band.of in optional}),
        lists={one.name: names_of(one.columns) for one in inputs if one.kind in LISTS},
    )


def estimator_of(rules: Mapping[str, Formulas], table: Container[str]) -> Estimator:
    """The sum of a sheet without code: by the first rule whose inputs the event gives.

    `rules` are all rules of the sheet, in its order; `table` holds those of a region and day. The
    answer raises FactorNotFound: the event fits no rule, or none that the table has.
    """
    here = [one for name, one in rules.items() if name in table]
    if here and not here[0].needs:
        return here[0].work_out
    tried = tuple((one.can, one.work_out) for one in here)

    def estimate(inputs: Inputs, factors: FactorTable) -> Estimate:
        for can, work_out in tried:
            if can(inputs):
                return work_out(inputs, factors)
        for one in rules.values():
            if one.can(inputs):
                return one.work_out(inputs, factors)  # raises: the table has it not
        wanted = "; ".join(
            f"{name} needs {', '.join(given for _, given in one.needs)}"
            for name, one in rules.items()
        )
        raise FactorNotFound(f"no rule has all its inputs: {wanted}")

    return estimate


def compile_formulas(
    rule: str, texts: Mapping[str, str], *, roles: frozenset[str], names: Names, file: str
) -> Formulas:
    """Compile the three lines of a rule. A name stands for what `Branch.written` says.

    FormulaInvalid: a line holds anything but a formula of these names. `file` is shown when a
    function compiled here fails.
    """
    code = _Code(roles, names)
    lines = [_Parser(line, texts[line], code).formula() for line in LINES]
    needs = tuple((kind, name) for kind, name in code.read if name in names.optional)
    found: dict[str, object] = {}
    # The source is put together from parsed parts alone: signs, generated names, quoted keys.
    exec(code.functions(rule, lines, needs, file), code.constants, found)  # noqa: S102
    return Formulas(
        cast("Estimator", found["work_out"]),
        cast("Callable[[Inputs], bool]", found["can"]),
        needs,
    )


class _Code:
    """The source of one function, while its lines are read."""

    def __init__(self, roles: frozenset[str], names: Names) -> None:
        self.roles = roles
        self.names = names
        self.read: dict[tuple[str, str], None] = {}  # (field of Inputs, name), each once
        self.constants: dict[str, object] = {
            "__builtins__": {}, "Estimate": Estimate, "min": min, "max": max, "sum": sum,
            "nothing": Decimal(0), "one": Decimal(1),
        }  # fmt: skip
        self._locals: dict[str, str] = {}  # source of a value -> the local that holds it

    def number(self, text: str) -> str:
        """The name of a constant, exactly as it is written."""
        name = f"c{text.replace('.', '_')}"
        self.constants[name] = Decimal(text)
        return name

    def value(self, name: str, entry: Names | None) -> str | None:
        """The source of a name's value, in an entry of a list or outside; None: it has none."""
        if name in self.roles:
            return self._local(f"values[{name!r}]")
        known, of = (entry, "entry") if entry else (self.names, "inputs")
        if name in known.numbers:
            kind, source = "numbers", f"{of}.numbers[{name!r}]"
        elif name in known.switches:
            kind, source = "switches", f"(one if {of}.switches[{name!r}] else nothing)"
        elif name in known.texts:
            kind, source = "texts", f"values[{of}.texts[{name!r}]]"
        else:
            return None
        if entry:
            return source
        self.read[kind, name] = None
        return self._local(source)

    def functions(
        self, rule: str, lines: list[str], needs: tuple[tuple[str, str], ...], file: str
    ) -> CodeType:
        """The compiled `work_out` and `can`; each value is looked up once."""
        looked_up = "".join(f"    {name} = {source}\n" for source, name in self._locals.items())
        given = " and ".join(f"{name!r} in inputs.{kind}" for kind, name in needs) or "True"
        source = (
            f"def work_out(inputs, factors):\n    values = factors[{rule!r}]\n{looked_up}"
            f"    return Estimate({rule!r}, {', '.join(lines)})\n"
            f"def can(inputs):\n    return {given}\n"
        )
        return compile(source, f"<formulas of {rule} in {file}>", "exec")

    def _local(self, source: str) -> str:
        return self._locals.setdefault(source, f"v{len(self._locals)}")


class _Parser:
    """Reads one formula from left to right, and gives the source of the same sum."""

    def __init__(self, line: str, text: str, code: _Code) -> None:
        self._line = line
        self._text = text
        self._code = code
        self._at = 0
        self._entry: Names | None = None  # the columns, inside a sum over a list
        self._depth = 0

    def formula(self) -> str:
        """The source of the whole text as one sum. FormulaInvalid: it is none."""
        if len(self._text) > LENGTH_MAX:
            raise self._wrong(f"it has more than {LENGTH_MAX} characters")
        source = self._sum()
        if self._next() is not None:
            raise self._wrong("a sign such as + or * is expected")
        return source

    def _sum(self) -> str:
        source = self._product()
        while sign := self._sign("+-"):
            source = f"{source} {sign} {self._product()}"
        return source

    def _product(self) -> str:
        source = self._part()
        while sign := self._sign("*/"):
            source = f"{source} {sign} {self._part()}"
        return source

    def _part(self) -> str:
        if self._sign("-"):
            with self._deeper():
                return f"-{self._part()}"
        token = self._next()
        if token is None:
            raise self._wrong("a number, a name in braces or a parenthesis is expected")
        if token["name"]:
            return self._name(token["name"])
        if token["list"]:
            return self._list(token)
        self._at = token.end()
        if token["number"]:
            return self._code.number(token["number"])
        if token["choice"]:
            self._need("(")
            one = self._inside(",")
            return f"{token['choice']}({one}, {self._inside(')')})"
        if token["sign"] == "(":
            return f"({self._inside(')')})"
        self._at = token.start()
        raise self._wrong("a number, a name in braces or a parenthesis is expected")

    def _name(self, name: str) -> str:
        source = self._code.value(name, self._entry)
        if source is None:
            raise self._wrong(f"{{{name}}} is neither a factor's role here nor an input")
        if self._entry and name in self._entry.optional and name not in self._code.roles:
            raise self._wrong(f"{{{name}}} may be left out of an entry: require it, or give it a "
                              "default")  # fmt: skip
        self._at += len(name) + 2
        return source

    def _list(self, token: re.Match[str]) -> str:
        name = token["list"]
        if self._entry is not None or name not in self._code.names.lists:
            raise self._wrong(f"[{name}: ] is not about a list of the inputs")
        self._code.read["rows", name] = None
        self._entry = self._code.names.lists[name]
        self._at = token.end()
        term = self._inside("]")
        self._entry = None
        return f"sum([{term} for entry in inputs.rows[{name!r}]], nothing)"

    def _inside(self, end: str) -> str:
        with self._deeper():
            source = self._sum()
        self._need(end)
        return source

    @contextmanager
    def _deeper(self) -> Iterator[None]:
        self._depth += 1
        if self._depth > DEPTH_MAX:
            raise self._wrong(f"more than {DEPTH_MAX} parentheses or signs are inside each other")
        yield
        self._depth -= 1

    def _need(self, sign: str) -> None:
        if not self._sign(sign):
            raise self._wrong(f"{sign!r} is expected")

    def _sign(self, signs: str) -> str:
        """The next sign if it is one of these, which is then behind; else nothing."""
        token = self._next()
        if token is None or not token["sign"] or token["sign"] not in signs:
            return ""
        self._at = token.end()
        return token["sign"]

    def _next(self) -> re.Match[str] | None:
        """The next token, which stays ahead. FormulaInvalid: what is there is none."""
        while self._at < len(self._text) and self._text[self._at] == " ":
            self._at += 1
        if self._at == len(self._text):
            return None
        token = _TOKEN.match(self._text, self._at)
        if token is None:
            raise self._wrong("only numbers, {names}, + - * / ( ), min, max and [list: ] may stand")
        return token

    def _wrong(self, why: str) -> FormulaInvalid:
        return FormulaInvalid(self._line, f"character {self._at + 1} of {self._text!r}: {why}")

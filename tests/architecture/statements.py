"""The SQL of a module: what its constants hold once it is loaded, and what its functions build."""

import ast
import importlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType

from pglast.visitors import referenced_relations
from sqlalchemy import TextClause, TextualSelect

ROOT = Path(__file__).parents[2]
SQL = re.compile(r"\s*(SELECT|INSERT|UPDATE|DELETE|WITH|MERGE|TRUNCATE|CREATE TEMPORARY TABLE)\s")
BOUND = re.compile(r"(?<![:\w]):(\w+)")  # a parameter, and not the type after a `::`
SLOT = re.compile(r"\{\w+\}")  # what `format` fills in
# Names of rows to lock: PostgreSQL looks for them in FROM, the parser's list calls them tables.
LOCKED = re.compile(r"(FOR (?:NO KEY )?UPDATE|FOR (?:KEY )?SHARE) OF \w+(?:, \w+)*")
UNKNOWN = "unknown_at_rest"  # stands for what a function puts into a statement when it runs


@dataclass(frozen=True, slots=True)
class Statement:
    """One SQL statement, and the constant or the function of a module that it belongs to.

    What a function puts in when it runs is UNKNOWN; `words` are the texts that this function holds.
    `is_composed` says that it is put together from pieces: nowhere does the source show it whole.
    """

    name: str
    sql: str
    words: frozenset[str] = frozenset()
    is_composed: bool = False

    @property
    def tables(self) -> frozenset[str]:
        """The names that it reads or writes, its own common table expressions aside.

        Raises pglast's ParseError for SQL that PostgreSQL would not parse.
        """
        text = SLOT.sub(UNKNOWN, LOCKED.sub(r"\1", BOUND.sub("$1", self.sql)))
        found = {name.split(".")[-1].strip('"') for name in referenced_relations(text)}
        return frozenset(found - {UNKNOWN} | (self.words if UNKNOWN in found else set()))


def modules(*trees: str) -> list[str]:
    """The names of all modules of some packages, but for the schema's own history."""
    paths = sorted(path for tree in trees for path in (ROOT / tree).rglob("*.py"))
    return [
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for path in paths
        if "migrations" not in path.parts and path.name != "__main__.py"
    ]


@cache
def statements_of(name: str) -> list[Statement]:
    """The statements of a module: first those of its constants, then those of its functions."""
    module = importlib.import_module(name)
    source = ast.parse(Path(str(module.__file__)).read_text())
    written = {node.value for node in ast.walk(source) if isinstance(node, ast.Constant)}
    found = [
        Statement(one, sql, is_composed=sql not in written)
        for one, sql in _constants(module, source)
    ]
    for node in ast.walk(source):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            found.extend(_built(node, module))
    return found


def _constants(module: ModuleType, source: ast.Module) -> Iterator[tuple[str, str]]:
    """What is assigned at the top of a module and holds SQL, by name."""
    for node in source.body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        for target in targets:
            if isinstance(target, ast.Name):
                for sql in _in_value(getattr(module, target.id, None)):
                    yield target.id, sql


def _in_value(value: object) -> Iterator[str]:
    if isinstance(value, TextualSelect):
        yield from _in_value(value.element)
    elif isinstance(value, TextClause):
        yield value.text
    elif isinstance(value, str):
        if SQL.match(value):
            yield value
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from _in_value(one)
    elif isinstance(value, tuple | list):
        for one in value:
            yield from _in_value(one)


def _built(
    function: ast.FunctionDef | ast.AsyncFunctionDef, module: ModuleType
) -> Iterator[Statement]:
    """SQL that stands in a function, and the table that it copies rows to.

    The module's constants stand in the places of their names.
    """
    nodes = list(ast.walk(function))
    pieces = {part for node in nodes if isinstance(node, ast.JoinedStr) for part in node.values}
    words = frozenset(
        node.value
        for node in nodes
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in pieces
    )
    for node in nodes:
        text = "" if node in pieces else _text(node, module)
        if SQL.match(text):
            yield Statement(function.name, text, words, isinstance(node, ast.JoinedStr))
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr == "copy_records_to_table"
        ):
            table = node.args[0]
            assert isinstance(table, ast.Constant), "say the table where rows are copied to it"
            yield Statement(function.name, f"INSERT INTO {table.value} VALUES (1)")


def _text(node: ast.AST, module: ModuleType) -> str:
    """The text of a string in the source; "" for anything else."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if not isinstance(node, ast.JoinedStr):
        return ""
    return "".join(
        str(getattr(module, ast.unparse(part.value), UNKNOWN))
        if isinstance(part, ast.FormattedValue)
        else _text(part, module)
        for part in node.values
    )

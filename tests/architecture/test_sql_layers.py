"""SQL keeps the order of the folders: a folder's tables are its own, and those of folders below.

The order is that of the import contract in `pyproject.toml`. A table belongs to the folder whose
`tables.py` declares it. PostgreSQL's own parser reads every statement.
"""

import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from statements import ROOT, Statement, modules, statements_of

CONTRACT = "inside service, imports point down"
TABLE = re.compile(r'^    __tablename__ = "(\w+)"$', re.MULTILINE)
MADE = re.compile(r"\s*CREATE TEMPORARY TABLE (\w+) ")
SYSTEM = frozenset(("pg_attribute", "pg_class", "pg_stat_activity"))
# A folder that touches a table above it, and why that is right.
EXCEPTIONS = {
    ("journal", "webhook_endpoint"): (
        "A row is marked for the webhooks only while there is an endpoint, and the statement that "
        "appends it asks: a second one would cost each batch a round trip."
    ),
}
MODULES = modules("service", "workers")


def owners() -> dict[str, str]:
    """The folder that each table belongs to, as `forest` or `webhooks.inbound`."""
    return {
        table: ".".join(path.parent.relative_to(ROOT / "service").parts)
        for path in (ROOT / "service").rglob("tables.py")
        for table in TABLE.findall(path.read_text())
    }


def ranks() -> dict[str, int]:
    """How high each folder of `service` stands; the lowest is 0."""
    document = tomllib.loads((ROOT / "pyproject.toml").read_text())
    (layers,) = (
        one["layers"]
        for one in document["tool"]["importlinter"]["contracts"]
        if one["name"] == CONTRACT
    )
    return {
        name: rank for rank, layer in enumerate(reversed(layers)) for name in layer.split(" | ")
    }


OWNERS, RANKS = owners(), ranks()


def folder_of(module: str) -> str:
    """The folder of a module, or its own name when it stands in none: `service.demo` is `demo`."""
    tree, *parts = module.split(".")
    if tree != "service":
        return tree
    is_package = (ROOT / Path(*module.split("."))).is_dir()
    return ".".join(parts if is_package or len(parts) == 1 else parts[:-1])


def may_touch(folder: str, owner: str) -> bool:
    """Whether a folder's SQL may name a table of `owner`: its own, or one of a folder below."""
    if folder in (owner, "workers"):
        return True
    high, low = (RANKS[one.partition(".")[0]] for one in (folder, owner))
    return high > low


def wrong(
    folder: str, statements: list[Statement], exceptions: Mapping[tuple[str, str], str]
) -> Iterator[str]:
    """What the statements of one module do that they may not."""
    made = {name for one in statements for name in MADE.findall(one.sql)}
    for statement in statements:
        tables = statement.tables
        known = tables & OWNERS.keys()
        if not statement.words:
            for table in sorted(tables - known - made - SYSTEM):
                yield f"{statement.name}: no tables.py of service/ declares {table!r}"
        for table in sorted(known):
            if not may_touch(folder, OWNERS[table]) and (folder, table) not in exceptions:
                yield (
                    f"{statement.name}: {table!r} is of service/{OWNERS[table]}, which is not "
                    f"below service/{folder}: move the statement up, or call what lies there"
                )


@pytest.mark.parametrize("module", MODULES)
def test_a_modules_sql_touches_what_is_below_it(module: str) -> None:
    found = list(wrong(folder_of(module), statements_of(module), EXCEPTIONS))

    assert not found, "\n".join(found)


def test_every_exception_is_needed() -> None:
    touched = {
        (folder_of(module), table)
        for module in MODULES
        for statement in statements_of(module)
        for table in statement.tables & OWNERS.keys()
    }

    assert set(EXCEPTIONS) <= {
        (folder, table) for folder, table in touched if not may_touch(folder, OWNERS[table])
    }


def test_most_tables_are_seen_in_sql() -> None:
    """A reader of statements that finds nothing would let everything pass."""
    touched = {table for module in MODULES for one in statements_of(module) for table in one.tables}

    assert len(touched & OWNERS.keys()) > 0.8 * len(OWNERS)


@pytest.mark.parametrize(
    ("folder", "sql"),
    [
        ("intake", "SELECT 1 FROM action JOIN restatement USING (action_id)"),
        ("intake", "DELETE FROM hold"),
        ("points", "WITH old AS (DELETE FROM lot RETURNING 1) SELECT count(*) FROM old"),
        ("forest", "SELECT (SELECT count(*) FROM friend) FROM project"),
        ("webhooks.inbound", "UPDATE webhook_endpoint SET partner = :next FROM connector"),
        ("totals", "INSERT INTO restatement SELECT * FROM no_such_table"),
    ],
)
def test_a_table_of_another_folder_is_found(folder: str, sql: str) -> None:
    assert list(wrong(folder, [Statement("_QUERY", sql)], EXCEPTIONS))


@pytest.mark.parametrize(
    ("folder", "sql"),
    [
        ("actions", "SELECT 1 FROM action JOIN restatement USING (action_id)"),
        ("workers", "DELETE FROM journal_pending"),
        ("points", "WITH lot AS (SELECT 1 FROM account) SELECT * FROM lot"),
    ],
)
def test_tables_below_may_be_touched(folder: str, sql: str) -> None:
    assert not list(wrong(folder, [Statement("_QUERY", sql)], EXCEPTIONS))

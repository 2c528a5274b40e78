"""A cell of the totals is one type, and nobody else lists what is in it."""

import ast
import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as some
from sqlmodel import SQLModel

from service.journal.append import JournalRow
from service.journal.cell import (
    FIGURES,
    SHOWN,
    Amounts,
    Cell,
    live_fields,
    read_live_field,
    summed_cells,
)
from service.totals import tables as _tables  # noqa: F401  (tables register themselves)

ROOT = Path(__file__).parents[3]
CELL = Cell.under(
    "transit.metro@1.0.0",
    local_day=date(2026, 6, 15),
    activity="transit.metro",
    partner="acme",
    region="CN",
    evidence_level="L1",
    scope="3+",
)
RIDE = Amounts(
    actions=1, limited=0, gross_mg=892800, avoided_mg=794592, uncertainty_mg=357567, points=794
)
# As version 0.1.0 wrote it into the journal, before and after days kept what was limited.
WRITTEN = {
    "local_day": "2026-06-15",
    "activity": "transit.metro",
    "methodology": "transit.metro",
    "version": "1.0.0",
    "partner": "acme",
    "region": "CN",
    "evidence_level": "L1",
    "scope": "3+",
    "actions": 1,
    "limited": 0,
    "gross_mg": 892800,
    "avoided_mg": 794592,
    "uncertainty_mg": 357567,
    "points": 794,
}
# These list columns of facts (actions, reversals, restatements, earnings), some of the same names.
OF_FACTS = {
    "service/actions/read.py",
    "service/actions/restated.py",
    "service/actions/reverse.py",
    "service/intake/store.py",
    "service/people/move.py",
    "service/restate/store.py",
    "service/webhooks/outbound/store.py",
}
_FIGURE = r"(?:\w+\.)?(?:old_)?(?:" + "|".join(FIGURES) + r")(?: int8)?"
A_LIST = re.compile(rf"\b{_FIGURE},\s+{_FIGURE},\s+{_FIGURE}\b")

numbers = some.integers(-(2**62), 2**62)
amounts = some.builds(Amounts, **dict.fromkeys(FIGURES, numbers))


def test_the_journal_keeps_its_form() -> None:
    row = JournalRow(
        bucket=1,
        batch_id=UUID(int=1),
        kind="intake",
        actions=1,
        people=1,
        deltas={CELL: RIDE},
        leaves=b"",
    )
    [written] = orjson.loads(str(row.values()[5]))

    assert written == WRITTEN
    assert list(written) == list(WRITTEN)


@given(amounts)
def test_a_cell_and_its_amounts_come_back_from_the_journal(added: Amounts) -> None:
    given_: Any = {**CELL.as_json(), **added.as_json()}

    assert Cell.from_json(given_) == CELL
    assert Amounts.from_json(given_) == added


def test_a_row_from_before_a_figure_has_none_of_it() -> None:
    old = {name: value for name, value in WRITTEN.items() if name != "limited"}

    assert Amounts.from_json(old) == RIDE  # type: ignore[arg-type]  # other values are texts


@given(amounts, amounts)
def test_amounts_add_up(one: Amounts, other: Amounts) -> None:
    assert one + other - other == one
    assert one - other == one + -other
    assert (one - one, bool(one - one)) == (Amounts(), False)
    for name in FIGURES:
        assert getattr(one + other, name) == getattr(one, name) + getattr(other, name)


def test_counting_an_action_adds_it() -> None:
    counted = Amounts()
    for _ in range(2):
        counted.count(
            limited=1, gross_mg=892800, avoided_mg=794592, uncertainty_mg=357567, points=794
        )

    assert counted == RIDE + RIDE + Amounts(limited=2)


def test_amounts_of_one_cell_are_added_up() -> None:
    other = CELL._replace(scope="held")

    found = summed_cells([(CELL, RIDE), (other, RIDE), (CELL, -RIDE), (other, RIDE)])

    assert found == {CELL: Amounts(), other: RIDE + RIDE}


@given(amounts)
def test_valkey_has_a_field_for_each_figure_that_is_shown(added: Amounts) -> None:
    fields = dict(live_fields(CELL.live, added))

    assert {read_live_field(field) for field in fields} == {
        (CELL.live, name) for name in SHOWN if getattr(added, name)
    }
    assert all(value == getattr(added, read_live_field(name)[1]) for name, value in fields.items())


def texts_in(path: Path) -> Iterator[str]:
    """The texts of a module, those with values filled in as one; docstrings are left out."""
    tree = ast.parse(path.read_text())
    parts = {id(one) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr)
             for one in ast.walk(node) if one is not node}  # fmt: skip
    for node in ast.walk(tree):
        if id(node) in parts:
            continue
        if isinstance(node, ast.JoinedStr):
            yield "".join(
                one.value if isinstance(one, ast.Constant) else "?" for one in node.values
            )
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


MODULES = sorted(
    path
    for folder in ("service", "workers")
    for path in (ROOT / folder).rglob("*.py")
    if "migrations" not in path.parts and path.name != "cell.py"
)


def test_nobody_else_lists_the_figures_of_a_cell_in_sql() -> None:
    listing = {
        str(path.relative_to(ROOT))
        for path in MODULES
        for text in texts_in(path)
        if A_LIST.search(text)
    }

    assert listing == OF_FACTS, "take the names from service/journal/cell.py"


@pytest.mark.parametrize(
    "text",
    [
        "SELECT actions, limited, gross_mg FROM total_day",
        "x(actions int8, avoided_mg int8, gross_mg int8)",
        "SELECT total_day.actions, total_day.avoided_mg,\n  total_day.points FROM total_day",
    ],
)
def test_a_list_is_seen(text: str) -> None:
    assert A_LIST.search(text)


@pytest.mark.parametrize("table", ["total_day", "journal_day"])
def test_the_tables_of_the_totals_have_the_columns_of_a_cell(table: str) -> None:
    columns = set(SQLModel.metadata.tables[table].columns.keys())
    figures = FIGURES if table == "total_day" else SHOWN

    assert columns - {"recorded_on", "changed_at"} == {*Cell._fields, *figures}

"""The schema can be distributed by `bucket`: every key of every big table holds it."""

import pytest
from sqlalchemy import Table, UniqueConstraint
from sqlmodel import SQLModel

import service.migrations.versions  # noqa: F401
from service.audit import tables as _audit  # noqa: F401  (tables register themselves)
from service.customers import tables as _customers  # noqa: F401  (tables register themselves)
from service.forest import tables as _forest  # noqa: F401  (tables register themselves)
from service.friends import tables as _friends  # noqa: F401
from service.guards import tables as _guards  # noqa: F401
from service.http import tables as _http  # noqa: F401
from service.intake import tables as _intake  # noqa: F401
from service.journal import tables as _journal  # noqa: F401
from service.partners import tables as _partners  # noqa: F401
from service.points import tables as _points  # noqa: F401
from service.restate import tables as _restate  # noqa: F401
from service.rights import tables as _rights  # noqa: F401  (tables register themselves)
from service.totals import tables as _totals  # noqa: F401
from service.webhooks.inbound import tables as _inbound  # noqa: F401
from service.webhooks.outbound import tables as _outbound  # noqa: F401

# Small, and the same on every node; `total_day` is a projection with one writer.
REFERENCE = {
    "partner", "source", "api_key", "species", "project", "programme", "total_day",
    "leaderboard_rank", "hold", "methodology_run", "journal_day", "journal_day_closed", "lot",
    "lot_report", "connector", "connector_version", "webhook_endpoint", "audit_event", "proposal",
}  # fmt: skip
TABLES = sorted(SQLModel.metadata.tables.values(), key=lambda table: table.name)
DISTRIBUTED = [table for table in TABLES if table.name not in REFERENCE]
each_table = pytest.mark.parametrize("table", DISTRIBUTED, ids=lambda table: table.name)


def test_the_reference_tables_are_those_that_are_listed() -> None:
    assert {table.name for table in TABLES} >= REFERENCE


@each_table
def test_the_primary_key_starts_with_the_bucket(table: Table) -> None:
    first = next(iter(table.primary_key.columns))

    assert first.name == "bucket", f"{table.name}: start the primary key with bucket"


@each_table
def test_every_unique_and_foreign_key_holds_the_bucket(table: Table) -> None:
    for constraint in table.constraints:
        if isinstance(constraint, UniqueConstraint):
            assert "bucket" in constraint.columns, f"{table.name}: {constraint.name} needs bucket"
    for index in table.indexes:
        if index.unique:
            assert "bucket" in index.columns, f"{table.name}: {index.name} needs bucket"
    for key in table.foreign_key_constraints:
        target = key.referred_table.name
        assert target in REFERENCE or "bucket" in key.columns, f"{table.name}: {key.name}"


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_no_float_is_stored(table: Table) -> None:
    for column in table.columns:
        assert column.type.__class__.__name__ not in ("Float", "Double", "REAL", "Numeric"), column

"""What the application's role may do: read and write its tables, and never change a fact."""

from collections.abc import Iterator

from sqlmodel import SQLModel

from service.resources import SANDBOX

WRITES = "SELECT, INSERT, UPDATE, DELETE"
APPENDS = "SELECT, INSERT"  # a table marked `is_fact`: what is in it stays as it is


def grants_to(role: str, schema: str) -> Iterator[str]:
    """Statements that give `role` what it needs and take away the rest; for the tables' owner.

    `schema` is the one that the connection sees. In the sandbox facts may be deleted, too: a
    partner may wipe its test data.

    They can be run again after every migration: a new table is found by its class.
    """
    name = _quoted(role)
    schema_name = _quoted(schema)
    yield f"REVOKE ALL ON ALL TABLES IN SCHEMA {schema_name} FROM {name}"
    yield f"REVOKE CREATE ON SCHEMA {schema_name} FROM {name}"
    yield f"GRANT USAGE ON SCHEMA {schema_name} TO {name}"
    yield f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA {schema_name} TO {name}"
    for table in SQLModel.metadata.sorted_tables:
        is_fact = table.info.get("is_fact") and schema != SANDBOX
        rights = APPENDS if is_fact else WRITES
        yield f"GRANT {rights} ON {_quoted(table.name)} TO {name}"
    yield f"GRANT SELECT ON alembic_version TO {name}"
    yield f"GRANT EXECUTE ON FUNCTION open_action_month(DATE) TO {name}"
    yield (f"GRANT EXECUTE ON FUNCTION erase_facts(SMALLINT, UUID, UUID, TIMESTAMPTZ) TO {name}")


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'

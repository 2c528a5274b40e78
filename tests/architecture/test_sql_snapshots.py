"""SQL that is put together from pieces is shown whole: a change of it is reviewed as a diff.

`make sql` writes the files in `tests/architecture/sql` anew, one for each module.
"""

import os
from inspect import cleandoc
from pathlib import Path

import pytest
from statements import modules, statements_of

FOLDER = Path(__file__).with_name("sql")
WRITE = "SQL_SNAPSHOTS"  # set to `write` by `make sql`


def shown(module: str) -> str:
    """The statements of a module that no line of its source shows whole; "" without any."""
    return "\n".join(
        f"-- {one.name}\n{cleandoc(one.sql)}\n" for one in statements_of(module) if one.is_composed
    )


def expected() -> dict[Path, str]:
    """What each snapshot shall hold, by its file."""
    found = {module: shown(module) for module in modules("service", "workers")}
    return {FOLDER / f"{module}.sql": text for module, text in found.items() if text}


@pytest.fixture(scope="module")
def wanted() -> dict[Path, str]:
    found = expected()
    if os.environ.get(WRITE) == "write":
        FOLDER.mkdir(exist_ok=True)
        for stale in set(FOLDER.glob("*.sql")) - found.keys():
            stale.unlink()
        for path, text in found.items():
            path.write_text(text)
    return found


def test_there_is_a_snapshot_for_each_module_that_composes_sql(wanted: dict[Path, str]) -> None:
    assert set(FOLDER.glob("*.sql")) == wanted.keys(), "run `make sql` and commit what it writes"


def test_the_snapshots_are_what_the_code_says(wanted: dict[Path, str]) -> None:
    differing = [path.name for path, text in wanted.items() if path.read_text() != text]

    assert not differing, f"look at the diff that `make sql` writes, and commit it: {differing}"


def test_statements_of_pieces_are_seen(wanted: dict[Path, str]) -> None:
    """The modules that put most together are among them, with the pieces in their places."""
    names = {path.stem for path in wanted}
    assert names >= {"service.totals.store", "service.webhooks.outbound.store"}
    totals = wanted[FOLDER / "service.totals.store.sql"]
    assert "INSERT INTO total_day AS had (local_day, activity, methodology," in totals

"""A pure module loads no database, network or web library, by whichever way it is imported.

The import contract of `pyproject.toml` reads the sources; here the modules are truly loaded.
"""

import subprocess
import sys
import tomllib
from pathlib import Path

import orjson
import pytest

ROOT = Path(__file__).parents[2]
CONTRACT = "the rules of the service are pure"
# Prints which of the modules in its arguments was the first to load each library.
PROGRAM = """
import importlib, json, sys
modules, libraries = (one.split(",") for one in sys.argv[1:])
loaded = {}
for module in modules:
    importlib.import_module(module)
    for library in libraries:
        if library in sys.modules:
            loaded.setdefault(library, module)
print(json.dumps(loaded))
"""


def contract() -> tuple[list[str], list[str]]:
    """The pure modules, and the libraries that they may not load."""
    document = tomllib.loads((ROOT / "pyproject.toml").read_text())
    (found,) = (
        one for one in document["tool"]["importlinter"]["contracts"] if one["name"] == CONTRACT
    )
    return found["source_modules"], found["forbidden_modules"]


def loaded_by(modules: list[str], libraries: list[str]) -> dict[str, str]:
    """Each of the libraries that a fresh interpreter has loaded, with the module that did it."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, ",".join(modules), ",".join(libraries)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    found: dict[str, str] = orjson.loads(done.stdout)
    return found


def test_pure_modules_load_no_database_and_no_network() -> None:
    modules, libraries = contract()

    assert loaded_by(modules, libraries) == {}


@pytest.mark.parametrize(
    ("module", "library"),
    [("service.intake.ids", "asyncpg"), ("service.intake.tables", "sqlalchemy")],
)
def test_a_module_that_is_not_pure_is_found(module: str, library: str) -> None:
    _, libraries = contract()

    assert loaded_by(["service.errors", module], libraries)[library] == module

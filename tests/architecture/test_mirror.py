"""The folders of tests mirror those of the code, so that a test is found where its module is."""

from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TREES = ("service", "workers", "methodologies", "loadtest")
# Folders without a folder of tests: what tests them is named beside them.
TESTED_ELSEWHERE = {
    "service/cli": "tests/service/test_cli.py",
    "service/migrations": "tests/service/test_migrations.py",
}


def folders(tree: str) -> list[str]:
    """Folders below a tree that hold Python files, as paths from the root."""
    found = {path.parent.relative_to(ROOT) for path in (ROOT / tree).rglob("*.py")}
    return sorted(str(path) for path in found if str(path) != tree)


@pytest.mark.parametrize("folder", [one for tree in TREES for one in folders(f"tests/{tree}")])
def test_a_folder_of_tests_is_named_as_the_code_is(folder: str) -> None:
    assert (ROOT / folder.removeprefix("tests/")).is_dir(), f"{folder}: move it with its code"


@pytest.mark.parametrize("folder", [one for one in folders("service") if one.count("/") == 1])
def test_a_folder_of_the_service_has_tests(folder: str) -> None:
    tests = ROOT / TESTED_ELSEWHERE.get(folder, f"tests/{folder}")

    assert tests.exists(), f"{folder} has no tests at {tests.relative_to(ROOT)}"


def test_a_module_of_tests_has_a_name_of_its_own() -> None:
    names = Counter(path.name for path in (ROOT / "tests").rglob("test_*.py"))

    assert [name for name, count in names.items() if count > 1] == [], "pytest imports by name"

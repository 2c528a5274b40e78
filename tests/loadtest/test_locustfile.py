"""The Locust file runs where only Locust is installed, as in its official image."""

import ast
import re
import sys
from importlib.metadata import requires
from pathlib import Path

ROOT = Path(__file__).parents[2]
LOCUST = {"locust", *(re.split(r"[^\w-]", one)[0].lower() for one in requires("locust") or ())}


def imported(file: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return names


def test_it_needs_nothing_beside_locust_and_the_standard_library() -> None:
    left, seen, foreign = [ROOT / "loadtest/locustfile.py"], set[Path](), set[str]()
    while left:
        file = left.pop()
        seen.add(file)
        for name in imported(file):
            if name.partition(".")[0] == "loadtest":
                ours = ROOT / f"{name.replace('.', '/')}.py"
                left += [ours] if ours not in seen else []
            elif name.partition(".")[0] not in sys.stdlib_module_names:
                foreign.add(name.partition(".")[0])

    assert ROOT / "loadtest/people.py" in seen
    assert foreign <= LOCUST, foreign - LOCUST

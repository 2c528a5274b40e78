"""What docs/security.md offers as evidence is there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "security.md").read_text()
EVIDENCE = sorted(set(re.findall(r"`((?:\.ci|docs|service|tests)/[\w./-]+)`", PAGE)))
DECISIONS = sorted(set(re.findall(r"\((decisions/[\w.-]+)\)", PAGE)))


@pytest.mark.parametrize("path", EVIDENCE + [f"docs/{one}" for one in DECISIONS])
def test_the_evidence_is_there(path: str) -> None:
    assert (ROOT / path).exists()


def test_each_row_of_the_standard_has_a_state() -> None:
    rows = re.findall(r"^\| (\d+\.\d[^|]*) \| ([^|]+) \| ([^|]+) \|$", PAGE, re.MULTILINE)
    assert len(rows) > 25
    assert {state for _, state, _ in rows} <= {"met", "partly", "not", "operator"}

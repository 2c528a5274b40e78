"""A copy of the packaged methodologies that a test may break."""

import shutil
from pathlib import Path

import pytest

from methodologies.folder import PACKAGED, PACKAGED_CODE


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    copy = tmp_path / "catalogue"
    shutil.copytree(
        PACKAGED,
        copy,
        ignore=shutil.ignore_patterns(
            "__pycache__", "*.md", "[a-z]*.py", "__init__.py", *PACKAGED_CODE
        ),
    )
    for estimate in PACKAGED.glob("*/v*/estimate.py"):
        shutil.copy(estimate, copy / estimate.relative_to(PACKAGED))
    return copy

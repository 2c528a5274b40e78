"""A copy of the packaged methodologies that a test may break."""

import shutil
from pathlib import Path

import pytest
from hypothesis import settings

from methodologies.folder import PACKAGED, PACKAGED_CODE

# A slow machine is no failure, and nothing is kept between runs.
settings.register_profile("methodologies", deadline=None, database=None)
settings.load_profile("methodologies")


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

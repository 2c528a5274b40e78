"""A copy of the packaged methodologies that a test may break."""

import shutil
from pathlib import Path

import pytest
from hypothesis import settings

from methodologies.folder import PACKAGED

# A slow machine is no failure, and nothing is kept between runs.
settings.register_profile("methodologies", deadline=None, database=None)
settings.load_profile("methodologies")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    copy = tmp_path / "catalogue"
    shutil.copytree(
        PACKAGED,
        copy,
        ignore=shutil.ignore_patterns("__pycache__", "*.md", "[a-z]*.py", "__init__.py"),
    )
    for version in PACKAGED.glob("*/v*"):
        target = copy / version.relative_to(PACKAGED)
        shutil.copy(version / "estimate.py", target / "estimate.py")
    return copy

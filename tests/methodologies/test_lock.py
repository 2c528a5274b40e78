"""Published versions do not change."""

import subprocess
import sys
from pathlib import Path

import pytest

from methodologies.catalogue import load_catalogue
from methodologies.contract import CatalogueBroken
from methodologies.digest import LOCK
from methodologies.folder import PACKAGED
from methodologies.lock import lock


def test_every_packaged_version_is_as_it_was_locked() -> None:
    lines = (PACKAGED / LOCK).read_text(encoding="utf-8").splitlines()

    editions = [one for one in load_catalogue().editions() if one.status != "draft"]

    assert sorted(lines) == [f"{edition.reference} {edition.digest}" for edition in editions]


def test_a_changed_byte_in_a_published_folder_stops_the_program(folder: Path) -> None:
    estimate = folder / "cycle_bike/v1/estimate.py"
    estimate.write_text(estimate.read_text(encoding="utf-8") + "\n", encoding="utf-8")

    with pytest.raises(CatalogueBroken, match=r"LOCK:\d+: cycle.bike@1.0.0 has changed"):
        load_catalogue(folder)


def test_locking_refuses_a_changed_version_and_writes_nothing(folder: Path) -> None:
    before = (folder / LOCK).read_bytes()
    estimate = folder / "cycle_bike/v1/estimate.py"
    estimate.write_text(estimate.read_text(encoding="utf-8") + "\n", encoding="utf-8")

    with pytest.raises(CatalogueBroken, match="has changed"):
        lock(folder)

    assert (folder / LOCK).read_bytes() == before


def test_locking_adds_a_line_for_a_new_version_only(folder: Path) -> None:
    before = (folder / LOCK).read_text(encoding="utf-8")
    kept = [line for line in before.splitlines() if not line.startswith("pack.box_reuse@")]
    (folder / LOCK).write_text("\n".join(kept) + "\n", encoding="utf-8")

    new = lock(folder)

    assert new == ("pack.box_reuse@1.0.0",)
    assert sorted((folder / LOCK).read_text(encoding="utf-8").splitlines()) == sorted(
        before.splitlines()
    )
    assert lock(folder) == ()


def test_a_published_version_that_is_not_locked_stops_the_program(folder: Path) -> None:
    (folder / LOCK).write_text("", encoding="utf-8")

    with pytest.raises(CatalogueBroken, match="not locked"):
        load_catalogue(folder)


def test_a_locked_version_whose_folder_is_gone_stops_the_program(folder: Path) -> None:
    line = len((folder / LOCK).read_text(encoding="utf-8").splitlines()) + 1
    with (folder / LOCK).open("a", encoding="utf-8") as file:
        file.write(f"transit.ferry@1.0.0 sha256:{'0' * 64}\n")

    with pytest.raises(
        CatalogueBroken, match=rf"LOCK:{line}: the folder of transit.ferry@1.0.0 is gone"
    ):
        load_catalogue(folder)


def test_the_command_finds_nothing_new_in_the_package() -> None:
    run = subprocess.run(
        [sys.executable, "-W", "error", "-m", "methodologies.lock"],
        cwd=PACKAGED.parent,
        capture_output=True,
        text=True,
        check=False,
    )

    assert (run.returncode, run.stdout) == (0, "nothing new\n")

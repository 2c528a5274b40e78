"""A folder that is not fit for use is refused with file, line and reason; never skipped."""

import shutil
from datetime import date
from pathlib import Path

import pytest

from methodologies.catalogue import load_catalogue
from methodologies.contract import (
    Assessment,
    CatalogueBroken,
    DataInvalid,
    Refusal,
    UnknownActivity,
)
from methodologies.lock import lock

METRO = "transit_metro/v1"
DAY = date(2025, 6, 1)
RIDE = {"distance_km": "12.4"}


def put(folder: Path, file: str, *, old: str, new: str) -> int:
    """Replace the first `old` of a file; the answer is the line where it stood."""
    path = folder / file
    text = path.read_text(encoding="utf-8")
    assert old in text, f"{old!r} is not in {file}"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    return text[: text.index(old)].count("\n") + 1


# File, what stands there, what is put in its place, whether the fault is found at that line, why.
BROKEN = [
    (
        "methodology.yaml",
        "title: A metro",
        "id: transit.metro\ntitle: A metro",
        True,
        "the key 'id' stands here a second time",
    ),
    (
        "methodology.yaml",
        "title: A metro",
        "tittle: A metro",
        True,
        "the key 'tittle' is not known",
    ),
    ("methodology.yaml", "approach: attr", "# approach: attr", False, "'approach' is missing"),
    ("methodology.yaml", 'version: "1.0.0"', 'version: "2.0.0"', False, "belongs into"),
    ("methodology.yaml", 'version: "1.0.0"', 'version: "one"', True, "is not a version"),
    (
        "methodology.yaml",
        "published_on: 2026-11-22",
        "published_on: soon",
        True,
        "a day is expected",
    ),
    ("methodology.yaml", "status: published", "status: final", True, "is not one of"),
    ("methodology.yaml", "minimum: L0", "minimum: L9", True, "is not one of"),
    ("methodology.yaml", 'cf: "0.89"', 'cf: "0.94"', True, "has the factor 0.89"),
    ("methodology.yaml", 'cf: "0.89"', "cf: 0.89", True, "quoted string"),
    (
        "methodology.yaml",
        "metro: cn.travel.metro",
        "metro: cn.travel.tram",
        True,
        "'cn.travel.tram' is not in factors.yaml",
    ),
    (
        "methodology.yaml",
        "{distance_km} * {mix}",
        "{distance_km} * {mixed}",
        True,
        "{mixed} is neither",
    ),
    ("methodology.yaml", "  GB:", "  Britain:", True, "not an ISO 3166 region"),
    ("methodology.yaml", 'min: "0.5", max: "120", ', 'max: "120", ', False, "needs 'min'"),
    ("methodology.yaml", "line: {kind: text}", "line: {kind: words}", True, "is not one of"),
    (
        "methodology.yaml",
        "line: {kind: text}",
        "line: {kind: text, claim: x}",
        True,
        "only an id makes a claim",
    ),
    ("methodology.yaml", "default: metro", "default: tram", False, "not one of its choices"),
    ("methodology.yaml", "input: trips", "input: tripz", True, "is not one of"),
    ("methodology.yaml", "under: duration_min", "under: duration", True, "is not one of"),
    ("methodology.yaml", "rules:", "rules: [", False, "not YAML"),
    ("factors.yaml", 'value: "0.104"', "value: 0.104", True, "quoted string"),
    ("factors.yaml", 'value: "0.104"', 'value: ".104"', True, "not a plain decimal number"),
    (
        "factors.yaml",
        "source: db11t-3043-2024",
        "source: hearsay",
        True,
        "'hearsay' is not in the block of sources",
    ),
    ("factors.yaml", "        source: db11t-3043-2024\n", "", False, "'source' is missing"),
    ("factors.yaml", "confidence: S2", "confidence: sure", True, "is not one of"),
    ("factors.yaml", "confidence: S2", "confidence: M", False, "needs a waiver"),
    ("factors.yaml", "0.297 + ", "0.299 + ", False, "gives 0.1867"),
    ("factors.yaml", "0.297 + ", "import os + ", False, "not a sum"),
    ("factors.yaml", "        derivation:", "        # derivation:", False, "needs a derivation"),
    ("factors.yaml", "valid_to: 2025-12-31", "valid_to: 2024-12-31", True, "ends before it begins"),
    ("factors.yaml", "    unit: kgCO2/pkm\n", "", False, "'unit' is missing"),
    ("factors.yaml", "sources:\n", "sources:\n  idle: {}\n", False, "used by no value"),
    ("cases.yaml", "gross_g:", "gross:", True, "the key 'gross' is not known"),
    ("cases.yaml", ', credited_mg: "37960"', "", False, "expects gross_g and credited_mg"),
    ("cases.yaml", "level: L1", "level: high", True, "is not one of"),
    ("cases.yaml", "  by_hand:", "  # by_hand:", False, "'by_hand' is missing"),
    ("estimate.py", "def estimate(", "def estimate(:", True, "invalid syntax"),
    ("estimate.py", "def estimate(", "def estimated(", False, "'estimate' is missing"),
    ("estimate.py", "from decimal", "from decimals", False, "No module named"),
]


@pytest.mark.parametrize(("file", "old", "new", "at_the_line", "reason"), BROKEN)
def test_a_broken_file_is_refused(
    folder: Path, file: str, old: str, new: str, at_the_line: bool, reason: str
) -> None:
    written_on = put(folder, f"{METRO}/{file}", old=old, new=new)

    with pytest.raises(CatalogueBroken, match=reason) as broken:
        load_catalogue(folder)

    assert broken.value.file == f"{METRO}/{file}"
    assert broken.value.line >= 1
    assert not at_the_line or broken.value.line in (written_on, written_on + 1)


def test_two_values_for_one_day_are_refused(folder: Path) -> None:
    second = (
        '      2021-06-01:\n        {value: "0.1", valid_to: null, source: db11t-3043-2024,\n'
        '         confidence: S2, uncertainty_pct: "30"}\n'
        "  cn.travel.metro:"
    )
    line = put(folder, f"{METRO}/factors.yaml", old="  cn.travel.metro:", new=second)

    with pytest.raises(CatalogueBroken, match=r"two values of cn\.travel") as broken:
        load_catalogue(folder)

    assert broken.value.line == line


def test_a_folder_that_is_no_methodology_is_refused(folder: Path) -> None:
    (folder / "notes").mkdir()

    with pytest.raises(CatalogueBroken, match="notes:1: a methodology needs a folder such as v1"):
        load_catalogue(folder)


@pytest.mark.parametrize("name", ["methodology.yaml", "factors.yaml", "cases.yaml"])
def test_a_missing_file_is_refused(folder: Path, name: str) -> None:
    (folder / METRO / name).unlink()

    with pytest.raises(CatalogueBroken) as broken:
        load_catalogue(folder)

    assert broken.value.file == f"{METRO}/{name}"


def test_a_published_version_that_loses_its_code_is_refused(folder: Path) -> None:
    (folder / METRO / "estimate.py").unlink()

    with pytest.raises(CatalogueBroken, match=r"transit\.metro@1\.0\.0 has changed since"):
        load_catalogue(folder)


def test_a_file_too_many_is_refused(folder: Path) -> None:
    (folder / METRO / "notes.txt").write_text("x", encoding="utf-8")

    with pytest.raises(CatalogueBroken, match="does not belong"):
        load_catalogue(folder)


def test_the_same_version_in_two_folders_is_refused(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "again")

    with pytest.raises(CatalogueBroken, match="is there twice"):
        load_catalogue(folder, tmp_path / "again")


def test_a_draft_is_checked_and_never_used(folder: Path) -> None:
    put(folder, f"{METRO}/methodology.yaml", old="status: published", new="status: draft")
    locked = folder / "LOCK"
    lines = locked.read_text(encoding="utf-8").splitlines(keepends=True)
    locked.write_text("".join(one for one in lines if "metro" not in one), encoding="utf-8")

    catalogue = load_catalogue(folder)

    assert catalogue.edition("transit.metro", "1.0.0").status == "draft"
    with pytest.raises(UnknownActivity):
        catalogue.assess("transit.metro", region="CN", day=DAY, level="L1", data=RIDE)


def test_a_withdrawn_version_takes_no_new_action_and_can_still_be_explained(folder: Path) -> None:
    (folder / "WITHDRAWN").write_text("transit.metro@1.0.0 baseline is wrong\n", encoding="utf-8")

    catalogue = load_catalogue(folder)

    refusal = catalogue.assess("transit.metro", region="CN", day=DAY, level="L1", data=RIDE)
    assert isinstance(refusal, Refusal)
    assert "withdrawn" in refusal.detail
    receipt = catalogue.explain(
        "transit.metro", region="CN", day=DAY, level="L1", data=RIDE, version="1.0.0"
    )
    assert receipt.credited_mg == 794592


def test_withdrawing_what_is_not_there_is_refused(folder: Path) -> None:
    (folder / "WITHDRAWN").write_text("transit.ferry@1.0.0 sank\n", encoding="utf-8")

    with pytest.raises(CatalogueBroken, match=r"WITHDRAWN:1: there is no transit.ferry@1.0.0"):
        load_catalogue(folder)


def test_a_new_minor_version_is_used_from_its_own_folder_and_the_old_stays(folder: Path) -> None:
    newer = folder / "transit_metro/v1_1"
    shutil.copytree(folder / METRO, newer)
    put(folder, "transit_metro/v1_1/methodology.yaml", old='"1.0.0"', new='"1.1.0"')
    put(folder, "transit_metro/v1_1/factors.yaml", old='value: "0.032"', new='value: "0.031"')
    lock(folder)

    catalogue = load_catalogue(folder)

    result = catalogue.assess("transit.metro", region="CN", day=DAY, level="L1", data=RIDE)
    assert isinstance(result, Assessment)
    assert (result.methodology, result.gross_mg) == ("transit.metro@1.1.0", 905_200)
    old = catalogue.explain(
        "transit.metro", region="CN", day=DAY, level="L1", data=RIDE, version="1.0.0"
    )
    assert old.gross_mg == 892_800


def test_data_that_cannot_be_read_names_every_fault(folder: Path) -> None:
    catalogue = load_catalogue(folder)

    with pytest.raises(DataInvalid) as invalid:
        catalogue.assess(
            "transit.metro",
            region="CN",
            day=DAY,
            level="L1",
            data={"distance_km": True, "mode": "boat", "colour": "red"},
        )

    assert [name for name, _ in invalid.value.errors] == ["distance_km", "mode", "colour"]

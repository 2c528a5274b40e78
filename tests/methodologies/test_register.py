"""The register is fit for use, and each value in a version folder is its row."""

import shutil
from datetime import date, timedelta
from pathlib import Path

import pytest

from methodologies.catalogue import load_catalogue
from methodologies.contract import CatalogueBroken
from methodologies.register import GRACE, read_register
from methodologies.review import broken_copies, compare, due, is_refused, refuse_overdue, unused
from methodologies.units import refusal_of

CATALOGUE = load_catalogue()
REGISTER = CATALOGUE.register
COPIES = {one.reference: CATALOGUE.factors_of(one.id, one.version) for one in CATALOGUE.editions()}
OF_METRO = {"transit.metro@1.0.0": COPIES["transit.metro@1.0.0"]}
METRO = "transit_metro/v1/factors.yaml"


@pytest.fixture
def folder(folder: Path) -> Path:
    """The copy of the package, with the register."""
    assert (folder / "factors" / "travel.yaml").is_file()
    return folder


def put(path: Path, old: str, new: str) -> int:
    """Replace the first `old`; the answer is its line."""
    text = path.read_text(encoding="utf-8")
    assert old in text, old
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    return text[: text.index(old)].count("\n") + 1


def test_every_row_of_the_collection_is_there() -> None:
    assert len(REGISTER.rows) >= 356
    assert len({row.key for row in REGISTER.rows}) == len(REGISTER.rows)
    assert all(row.factor.source.title and row.factor.source.publisher for row in REGISTER.rows)


@pytest.mark.parametrize("reference", COPIES)
def test_a_version_carries_what_the_register_says(reference: str) -> None:
    compared = compare(REGISTER, {reference: COPIES[reference]})

    assert not [str(one) for one in broken_copies(compared)]


@pytest.mark.parametrize(
    "unit",
    sorted(
        {row.factor.unit for row in REGISTER.rows}
        | {factor.unit for some in COPIES.values() for factor in some}
    ),
)
def test_a_unit_parses(unit: str) -> None:
    assert refusal_of(unit) is None


@pytest.mark.parametrize(
    "unit",
    [
        "",
        "bananas",
        "kg//m",
        "kg/",
        "kgCO2e/quux",
        "pkmm",
        "1/0",
        "kg kg",
        "import os",
        "(",
        "kg+g",
    ],
)
def test_a_unit_that_means_nothing_is_refused(unit: str) -> None:
    assert "does not parse" in (refusal_of(unit) or "")


# File, what stands there, what is put in its place, the rule that is broken.
BROKEN = [
    ("travel.yaml", "    source: beijing-samr-tianjin-2024\n", "", "every-value-has-a-source"),
    ("travel.yaml", "source: beijing-samr-tianjin-2024", "source: hearsay",
     "every-value-has-a-source"),
    ("travel.yaml", "    unit: kgCO2/pkm\n", "", "every-value-has-a-unit"),
    ("travel.yaml", "id: cn.travel.bus\n", "id: cn.travel.metro\n", "id-and-version-once"),
    ("travel.yaml", "id: cn.travel.bus\n", "id: cn.travel.bus\n    family: cn.travel.metro\n",
     "a-family-does-not-overlap"),
    ("grid_china.yaml", "valid_to: 2021-12-31", "valid_to: 2022-12-31",
     "a-family-does-not-overlap"),
    ("travel.yaml", "{cn.fuel.gasoline_mass} * 0.74", "{cn.fuel.gasoline_mass} * 0.75",
     "a-derivation-recomputes"),
    ("travel.yaml", "{cn.fuel.gasoline_mass} * 0.74", "{cn.fuel.petrol} * 0.74",
     "a-derivation-recomputes"),
    ("travel.yaml", 'value: "2.9251"', 'value: "2.8"', "a-derivation-recomputes"),
    ("travel.yaml", "flags: [secondary, backcast]", "flags: [conflict]", "doubt-needs-a-waiver"),
    ("travel.yaml", 'version: "1"', 'version: "2"\n    supersedes: "7"',
     "supersedes-an-older-version"),
]  # fmt: skip


@pytest.mark.parametrize(("file", "old", "new", "rule"), BROKEN)
def test_a_broken_row_is_refused_with_its_rule(
    folder: Path, file: str, old: str, new: str, rule: str
) -> None:
    put(folder / "factors" / file, old, new)

    with pytest.raises(CatalogueBroken) as broken:
        load_catalogue(folder)

    assert broken.value.rule == rule
    assert broken.value.file.startswith("factors/")
    assert broken.value.line > 1
    assert f"(rule {rule})" in str(broken.value)


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ('value: "0.104"', "value: 0.104", "quotes"),
        ("region: CN\n", "region: China\n", "not an ISO 3166 region"),
        ("valid_from: 2021-01-01", "valid_from: always", "a day is expected"),
        ("confidence: S2", "confidence: sure", "is not one of"),
        ("gas_coverage: co2\n", "gas_coverage: air\n", "is not one of"),
        ("gas_coverage: co2\n", "colour: red\n", "'colour' is not known"),
        ("id: cn.travel.metro\n", "id: Metro\n", "is not an id"),
        ('version: "1"', 'version: "0"', "counted from 1"),
        ("factors:", "factors: {", "not YAML"),
    ],
)
def test_a_row_that_cannot_be_read_is_refused(
    folder: Path, old: str, new: str, reason: str
) -> None:
    put(folder / "factors" / "travel.yaml", old, new)

    with pytest.raises(CatalogueBroken, match=reason) as broken:
        load_catalogue(folder)

    assert broken.value.file == "factors/travel.yaml"


def test_a_source_that_nothing_uses_is_refused(folder: Path) -> None:
    put(folder / "factors" / "sources.yaml", "sources:\n",
        "sources:\n  idle: {title: Idle, publisher: Nobody}\n")  # fmt: skip

    with pytest.raises(CatalogueBroken, match="'idle' is used by no row"):
        load_catalogue(folder)


def test_a_from_memory_row_needs_its_waiver_only_where_it_is_read(folder: Path) -> None:
    idle = {row.key for row in unused(REGISTER, CATALOGUE.factors_used())}
    from_memory = [row for row in REGISTER.rows if row.factor.confidence == "M"]

    assert any(row.key in idle and not row.factor.waiver for row in from_memory)
    assert load_catalogue(folder).register.rows


def row_of(value: str, extra: str = "") -> str:
    return (
        f'  - id: cn.travel.metro\n    version: "2"\n    supersedes: "1"\n    value: "{value}"\n'
        "    unit: kgCO2/pkm\n    region: CN\n    valid_from: 2021-01-01\n"
        "    source: beijing-samr-tianjin-2024\n    confidence: S2\n"
        f'    uncertainty_pct: "30"\n{extra}\n'
    )


def test_a_corrected_row_supersedes_and_the_copy_stays_allowed(folder: Path) -> None:
    put(folder / "factors" / "travel.yaml", "factors:\n", f"factors:\n{row_of('0.033')}")

    catalogue = load_catalogue(folder)

    (metro,) = [
        one for one in compare(catalogue.register, OF_METRO) if one.factor.id == "cn.travel.metro"
    ]
    assert (metro.found, metro.refused) == ("superseded", False)
    rows = {row.version: row for row in catalogue.register.named("cn.travel.metro")}
    assert rows["1"].superseded_by == "2"
    assert rows["2"].superseded_by is None


def test_a_copy_that_differs_is_refused_unless_it_is_declared(folder: Path) -> None:
    put(folder / "factors" / "travel.yaml", 'value: "0.032"', 'value: "0.031"')
    found = [one for one in compare(read_register(folder), OF_METRO) if one.refused]
    assert [one.factor.id for one in found] == ["cn.travel.metro"]
    assert "value is 0.032 in the folder and 0.031 in the register" in found[0].why

    (folder / "factors" / "local.yaml").write_text(
        "local:\n  - {methodology: transit.metro@1.0.0, factor: cn.travel.metro, why: a test}\n"
    )

    declared = compare(read_register(folder), OF_METRO)
    assert not [one for one in declared if one.refused]
    assert [one.why for one in declared if one.found == "local"] == ["a test"]


def test_a_copy_without_a_row_is_refused(folder: Path) -> None:
    put(folder / "factors" / "travel.yaml", "id: cn.travel.metro\n", "id: cn.travel.underground\n")

    found = [one for one in compare(read_register(folder), OF_METRO) if one.refused]

    assert [(one.factor.id, one.found) for one in found] == [("cn.travel.metro", "missing")]


def test_a_data_year_is_found_by_its_family() -> None:
    rows = REGISTER.find(id_="cn.grid.avg_co2", region="CN", on=date(2022, 6, 1))

    assert [row.factor.id for row in rows] == ["cn.grid.avg_co2.2022"]


def test_a_review_warns_first_and_refuses_after_the_grace() -> None:
    used = CATALOGUE.factors_used()
    first = min(row.review_by for id_ in used for row in REGISTER.named(id_))

    assert due(REGISTER, used, first) == ()
    refuse_overdue(REGISTER, used, first + GRACE)
    late = first + timedelta(days=1)
    assert due(REGISTER, used, late)
    assert not any(is_refused(row, late) for row in due(REGISTER, used, late))
    with pytest.raises(CatalogueBroken, match="90 days of grace are over") as broken:
        refuse_overdue(REGISTER, used, first + GRACE + timedelta(days=1))
    assert broken.value.rule == "reviewed-in-time"


def test_a_row_that_nobody_reads_is_never_overdue() -> None:
    idle = {row.key for row in unused(REGISTER, CATALOGUE.factors_used())}

    overdue = due(REGISTER, CATALOGUE.factors_used(), date(2099, 1, 1))

    assert overdue
    assert not idle & {row.key for row in overdue}


def test_two_folders_with_the_same_row_are_refused(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(folder / "factors", other / "factors")

    with pytest.raises(CatalogueBroken) as broken:
        load_catalogue(folder, other)

    assert broken.value.rule == "id-and-version-once"


def test_a_version_without_cases_is_refused_with_its_rule(folder: Path) -> None:
    (folder / "transit_metro/v1/cases.yaml").write_text("[]\n")

    with pytest.raises(CatalogueBroken, match="at least 3 cases") as broken:
        load_catalogue(folder)

    assert broken.value.rule == "worked-cases"


def test_a_factor_without_a_source_is_refused_with_its_rule(folder: Path) -> None:
    put(folder / METRO, "        source: db11t-3043-2024\n", "")

    with pytest.raises(CatalogueBroken) as broken:
        load_catalogue(folder)

    assert broken.value.rule == "every-value-has-a-source"

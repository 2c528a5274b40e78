"""What holds for every version, whoever wrote it."""

import ast
import dataclasses
import decimal
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from methodologies.authoring.drafts import source_of
from methodologies.catalogue import Catalogue, load_catalogue
from methodologies.contract import Assessment, DataInvalid, Refusal
from methodologies.factors import Factor
from methodologies.folder import PACKAGED, read_version
from methodologies.lock import lock
from methodologies.proof import prove

CATALOGUE = load_catalogue()
EDITIONS = CATALOGUE.editions()
FACTORS = CATALOGUE.factors(id_=None, region=None, on=None)
DAY = date(2025, 6, 1)
CHECKED_SINCE = date(2025, 11, 22)  # a year before the newest check of this edition's factors


def test_each_activity_is_its_methodology_and_each_locked_one_can_be_used() -> None:
    locked = (PACKAGED / "LOCK").read_text(encoding="utf-8").splitlines()

    assert {line.partition("@")[0] for line in locked} == CATALOGUE.activities
    assert all(edition.id == edition.activity for edition in EDITIONS if edition.status != "draft")


@pytest.mark.parametrize("factor", FACTORS, ids=lambda one: f"{one.id} {one.valid_from}")
def test_a_factor_has_a_unit_a_source_and_a_recent_check(factor: Factor) -> None:
    assert factor.unit
    assert factor.source.title
    assert factor.source.publisher
    assert factor.checked_on >= CHECKED_SINCE
    assert factor.confidence != "M" or factor.waiver
    assert factor.number == Decimal(factor.value)


@pytest.mark.parametrize("path", sorted(PACKAGED.rglob("*.py")), ids=lambda one: one.name)
def test_no_binary_number_is_in_the_code(path: Path) -> None:
    text = path.read_text(encoding="utf-8")

    assert "flo" + "at" not in text
    assert not [
        node.lineno
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Constant) and type(node.value) is type(1 / 2)
    ]


@pytest.mark.parametrize(
    "folder_", sorted(PACKAGED.glob("*/v*/")), ids=lambda one: "/".join(one.parts[-2:])
)
def test_a_packaged_version_holds_in_all_that_can_be_tried(folder_: Path) -> None:
    version = read_version(folder_)

    proofs = prove(version, source_of(folder_))

    assert [one for one in proofs if one.wrong] == []
    tried = [one.what for one in proofs if one.rule == "worked-cases"]
    assert tried == [case.name for case in version.cases]
    assert {one.rule for one in proofs} >= {"every-rule-has-a-case", "pure", "unit-parses"}


def test_a_negative_result_keeps_its_sign_and_credits_nothing(folder: Path) -> None:
    factors = folder / "transit_metro/v1/factors.yaml"
    text = factors.read_text(encoding="utf-8")
    factors.write_text(text.replace('value: "0.032"', 'value: "0.2004321"'), encoding="utf-8")
    (folder / "LOCK").unlink()
    lock(folder)
    catalogue = load_catalogue(folder)

    result = ride(catalogue, "10.00001")

    # 10.00001 * (104 - 200.4321) = -964.3219643210 g, cut towards zero.
    assert isinstance(result, Assessment)
    assert (result.gross_mg, result.credited_mg) == (-964321, 0)


def ride(catalogue: Catalogue, distance_km: object) -> Assessment | Refusal:
    return catalogue.assess(
        "transit.metro", region="CN", day=DAY, level="L1", data={"distance_km": distance_km}
    )


distances = st.decimals(min_value="0.5", max_value="120", places=9)


@given(distances, distances)
def test_a_longer_trip_never_gives_less(one: Decimal, other: Decimal) -> None:
    shorter, longer = ride(CATALOGUE, min(one, other)), ride(CATALOGUE, max(one, other))

    assert isinstance(shorter, Assessment)
    assert isinstance(longer, Assessment)
    assert shorter.gross_mg <= longer.gross_mg
    assert shorter.credited_mg <= longer.credited_mg


@given(distances)
def test_rounding_takes_less_than_a_milligram(distance_km: Decimal) -> None:
    result = ride(CATALOGUE, str(distance_km))

    assert isinstance(result, Assessment)
    with decimal.localcontext(prec=60):
        assert 0 <= distance_km * 72_000 - result.gross_mg < 1
        assert 0 <= distance_km * 72_000 * Decimal("0.89") - result.credited_mg < 1


@given(st.integers(min_value=3, max_value=80), st.sampled_from(["GB", "US"]))
def test_a_division_never_loses_a_milligram(distance_km: int, region: str) -> None:
    car, occupancy, day = (
        (16725, 16, date(2025, 6, 1)) if region == "GB" else (185545, 15, date(2026, 6, 1))
    )
    scale = 100 if region == "GB" else 1000  # of the car factor in g
    bus = 10385 if region == "GB" else 41410

    result = CATALOGUE.assess(
        "transit.bus", region=region, day=day, level="L1", data={"distance_km": distance_km}
    )

    # In whole numbers: 0.5 * d * (car / (occupancy / 10) - bus) g, in mg.
    exact = distance_km * (car * 10 - bus * occupancy) * 1000 // (2 * occupancy * scale)
    assert isinstance(result, Assessment)
    assert result.gross_mg == exact


anything = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.decimals(),
    st.text("aZ0-. _/\u96ea\x00\ud800", max_size=140),
    st.lists(st.text("a0 \u96ea", max_size=4), max_size=3),
    st.lists(
        st.dictionaries(
            st.sampled_from(["km_round_trip", "mode", "persons", "x"]),
            st.one_of(st.decimals(), st.sampled_from(["hsr", "600", None, True, []])),
            max_size=3,
        ),
        max_size=3,
    ),
    st.sampled_from(["1e5", "１２", " 1", "1_0", "+1", "0x1", "NaN", "shared_bike", "\ud800"]),
)
names = st.sampled_from(
    sorted(
        {"", *(name for one in EDITIONS for name in cast("dict[str, object]", one.sheet["inputs"]))}
    )
)


@given(
    st.sampled_from(sorted(CATALOGUE.activities)),
    st.one_of(st.none(), st.sampled_from(["CN", "CN-BJ", "GB", "US-NY", "ZZ", "cn", "GLOBAL", ""])),
    st.dates(),
    st.sampled_from(["L0", "L1", "L4", "L9"]),
    st.dictionaries(names, anything, max_size=5),
)
def test_no_event_raises_anything_but_data_invalid(
    activity: str, region: str | None, day: date, level: str, data: dict[str, object]
) -> None:
    def outcome(ask: str) -> object:
        try:
            if ask == "assess":
                return CATALOGUE.assess(activity, region=region, day=day, level=level, data=data)
            return CATALOGUE.explain(
                activity, region=region, day=day, level=level, data=data, version="1.0.0"
            )
        except DataInvalid as invalid:
            return invalid.errors

    result, receipt = outcome("assess"), outcome("explain")

    if isinstance(result, Assessment):
        assert result.credited_mg >= 0
        assert cast("object", receipt.credited_mg) == result.credited_mg  # type: ignore[attr-defined]
    elif isinstance(result, Refusal):
        assert result.detail
        assert receipt.refusal == result  # type: ignore[attr-defined]
    else:
        assert receipt == result


@pytest.mark.parametrize(
    "number",
    [
        Decimal("NaN"),
        Decimal("sNaN"),
        Decimal("Infinity"),
        Decimal("1E+30"),
        Decimal("1E-30"),
        Decimal("1.0000000000000000001"),
        10**19,
        10**4000,
        "1e1",
        "1_0",
        " 1",
        "１２",
        "",
        "-",
        ".5",
        "5.",
        "9" * 60,
        True,
        [],
        "0x10",
        "Infinity",
    ],
)
def test_a_strange_number_is_refused_as_data(number: object) -> None:
    with pytest.raises(DataInvalid) as invalid:
        ride(CATALOGUE, number)

    assert [name for name, _ in invalid.value.errors] == ["distance_km"]


@pytest.mark.parametrize("number", [12, Decimal("12"), "12", "12.0", "+12", Decimal("1.2E+1")])
def test_one_number_in_many_forms_is_one_number(number: object) -> None:
    result = ride(CATALOGUE, number)

    assert isinstance(result, Assessment)
    assert (result.gross_mg, result.quantity_milli) == (864_000, 1000)


def test_what_is_answered_cannot_be_changed() -> None:
    result = ride(CATALOGUE, "12.4")

    assert isinstance(result, Assessment)
    with pytest.raises(AttributeError):
        result.credited_mg = 0  # type: ignore[misc]
    with pytest.raises(dataclasses.FrozenInstanceError):
        result.edition.title = ""  # type: ignore[misc]


def test_the_resolved_versions_kept_in_memory_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("methodologies.catalogue.RESOLVED_MAX", 3)
    catalogue = load_catalogue()

    for day in range(1, 20):
        catalogue.assess(
            "cycle.bike",
            region="CN",
            day=date(2025, 6, day),
            level="L1",
            data={"distance_km": 3},
        )

    assert catalogue.resolved_kept <= 3

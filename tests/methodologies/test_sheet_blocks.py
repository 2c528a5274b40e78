"""What a sheet can say beyond single values: lists, bands, regional factors, wider conditions."""

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from methodologies.catalogue import Catalogue, load_catalogue
from methodologies.contract import Assessment, CatalogueBroken, DataInvalid, Refusal
from methodologies.folder import read_version

CATALOGUE = load_catalogue()
DAY = date(2025, 6, 1)
CARPOOL, STOP, RAIL, VIDEO, DRIVE = (
    f"{name}/v1/methodology.yaml"
    for name in ("carpool", "vehicle_stop", "rail_instead_of_air", "work_video", "ev_drive")
)

# File, what stands there, what is put in its place, why it is refused.
BROKEN = [
    (CARPOOL, ', at_most: "4"', "", "a list has 'at_most'"),
    (CARPOOL, "[passenger_km: ", "[vehicle_id: ", "is not about a list"),
    (CARPOOL, "[passenger_km: {passenger_km}]", "[passenger_km: {km}]", "{km} is neither"),
    (CARPOOL, "{forbids: professional_driver,", "{", "one of 'needs', 'forbids' and 'single'"),
    (CARPOOL, "{forbids: professional_driver,", "{forbids: detour_km,", "is not one of"),
    (VIDEO, "when: evidence, is: none, single", "when: evidence, single", "stand together"),
    (VIDEO, "participant_hours:", "km_round_trip:", "is neither a factor's role here nor an input"),
    (VIDEO, "persons: {kind: count", "avoided_trips: {kind: count", "another name than its list"),
    (VIDEO, "mode: {kind: choice,", "mode: {kind: choice, expected: true,", "a column is a number"),
    (RAIL, 'edge: "1000"', 'edge: "500"', "the edges must rise and reach 3500"),
    (RAIL, '{edge: "3500", is: air_medium}', '{edge: "3499", is: x}', "must rise and reach 3500"),
    (STOP, 'yearly: {input: days,', "yearly: {input: kwh_per_100km,", "is not one of days"),
    (STOP, "per: vehicle_id}", "per: city}", "is not one of"),
    (DRIVE, '"*.grid.avg_co2"', '"*.grid.unheard"', "is not in factors.yaml"),
]  # fmt: skip


@pytest.mark.parametrize(("file", "old", "new", "why"), BROKEN, ids=[one[2] for one in BROKEN])
def test_a_block_that_makes_no_sense_is_refused(
    folder: Path, file: str, old: str, new: str, why: str
) -> None:
    path = folder / file
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")

    with pytest.raises(CatalogueBroken) as broken:
        read_version(path.parent)

    assert why in broken.value.reason
    assert broken.value.line > 1


def shared(passenger_km: object, **more: object) -> Assessment | Refusal:
    return CATALOGUE.assess(
        "carpool", region="CN", day=DAY, level="L1", data={"passenger_km": passenger_km, **more}
    )


lengths = st.lists(st.decimals(min_value="1", max_value="100", places=3), min_size=1, max_size=4)


@given(lengths, st.decimals(min_value="0", max_value="50", places=3))
def test_a_list_is_summed_and_the_receipt_shows_each_entry(
    passenger_km: list[Decimal], detour_km: Decimal
) -> None:
    data = {"passenger_km": [str(one) for one in passenger_km], "detour_km": str(detour_km)}

    result = shared(**data)
    receipt = CATALOGUE.explain(
        "carpool", region="CN", day=DAY, level="L1", data=data, version=None
    )

    assert isinstance(result, Assessment)
    assert result.gross_mg == int(sum(passenger_km) * 104_000 - detour_km * 203_000)
    assert receipt.gross_mg == result.gross_mg
    assert receipt.lines[0].formula.count("+") == len(passenger_km) - 1
    assert [Decimal(one) for one in cast("list[str]", receipt.inputs["passenger_km"])] == (
        passenger_km
    )


@given(lengths, st.sampled_from([{}, {"detour_km": "2.5"}]))
def test_the_parts_of_an_order_sum_to_the_whole(
    passenger_km: list[Decimal], more: dict[str, object]
) -> None:
    whole = shared(passenger_km, **more)
    driver = shared(passenger_km, role="driver", **more)
    passengers = shared(passenger_km, role="passenger", **more)

    assert isinstance(whole, Assessment)
    assert isinstance(driver, Assessment)
    assert isinstance(passengers, Assessment)
    parts = driver.gross_mg + passengers.gross_mg
    assert 0 <= abs(whole.gross_mg) - abs(parts) <= 1
    assert whole.credited_mg - 1 <= driver.credited_mg + passengers.credited_mg
    assert driver.credited_mg + passengers.credited_mg <= whole.credited_mg


@pytest.mark.parametrize(
    ("passenger_km", "why"),
    [
        ("18", "must be a list"),
        ([], "must be a list of 1 to 4"),
        ([1, 2, 3, 4, 5], "must be a list of 1 to 4"),
        ([18, None], "entry 2: must be a number"),
        ([[18]], "entry 1: must be a number"),
        ([{"passenger_km": 18}], "entry 1: must be a number"),
        ([18, "1e2"], "entry 2: must be a number"),
    ],
)
def test_a_list_that_cannot_be_read_says_which_entry(passenger_km: object, why: str) -> None:
    with pytest.raises(DataInvalid) as invalid:
        shared(passenger_km)

    [(name, wrong)] = invalid.value.errors
    assert name == "passenger_km"
    assert why in wrong


@pytest.mark.parametrize(
    ("trips", "why"),
    [
        ([18], "entry 1: must be an object with km_round_trip, mode, persons"),
        ([{"mode": "hsr"}], "entry 1: km_round_trip is required"),
        ([{"km_round_trip": 600, "mode": "walk"}], "entry 1: mode must be one of hsr, air"),
        ([{"km_round_trip": 600, "mode": "air", "persons": "1.5"}], "persons must be a whole"),
        ([{"km_round_trip": 600, "mode": "air", "x": 1}], "x is not one of km_round_trip"),
    ],
)
def test_a_row_that_cannot_be_read_says_which_column(trips: object, why: str) -> None:
    with pytest.raises(DataInvalid) as invalid:
        CATALOGUE.assess(
            "work.video",
            region="CN",
            day=DAY,
            level="L1",
            data={"avoided_trips": trips, "participant_hours": 2},
        )

    [(name, wrong)] = invalid.value.errors
    assert name == "avoided_trips"
    assert why in wrong


def drive(region: str, day: date, catalogue: Catalogue = CATALOGUE) -> Assessment | Refusal:
    data = {"distance_km": "100", "kwh_per_100km": "10"}
    return catalogue.assess("ev.drive", region=region, day=day, level="L1", data=data)


@pytest.mark.parametrize(
    ("region", "day", "grid", "used"),
    [
        ("CN-SH", date(2021, 12, 31), "583.4", "CN-SH"),
        ("CN-SH", date(2022, 12, 31), "584.9", "CN-SH"),
        ("CN-SH", date(2023, 1, 1), "573.7", "CN-SH"),
        ("CN-GZ", date(2030, 1, 1), "498.9", "CN-GZ"),
        ("CN-XZ", date(2022, 6, 1), "536.6", "CN"),
        ("CN", date(2022, 6, 1), "536.6", "CN"),
    ],
)
def test_the_grid_is_that_of_the_nearest_region_and_of_the_day(
    region: str, day: date, grid: str, used: str
) -> None:
    result = drive(region, day)

    assert isinstance(result, Assessment)
    assert result.region == used
    assert result.gross_mg == int(16_234_300 - Decimal(grid) * 10_000 / Decimal("0.95"))


def test_every_province_but_tibet_has_a_grid_of_its_own() -> None:
    provinces = (
        "AH BJ CQ FJ GD GS GX GZ HA HB HE HI HL HN JL JS JX LN NM NX QH SC SD SH SN SX TJ XJ YN ZJ"
    )

    for province in provinces.split():
        result = drive(f"CN-{province}", DAY)
        assert isinstance(result, Assessment)
        assert result.region == f"CN-{province}"


def test_a_driver_may_not_be_a_passenger_of_the_own_car() -> None:
    with pytest.raises(DataInvalid) as invalid:
        shared([18], driver_id="ann", passenger_ids=["bob", "ann"])

    assert invalid.value.errors == (
        ("passenger_ids", "names ann, as driver_id does: they must differ"),
    )


def test_a_limit_of_the_year_is_part_of_the_edition() -> None:
    edition = CATALOGUE.edition("vehicle.stop", "1.0.0")

    assert (edition.yearly_quantity_milli, edition.yearly_per) == (104_000, "vehicle_id")
    assert CATALOGUE.edition("transit.metro", "1.0.0").yearly_per is None

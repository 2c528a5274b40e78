"""What a sheet may say about its inputs, on copies of a packaged folder with a small change."""

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from methodologies.arithmetic import evaluate
from methodologies.catalogue import Catalogue, load_catalogue
from methodologies.contract import CatalogueBroken, DataInvalid
from methodologies.lock import lock

DAY = date(2025, 6, 1)
BIKE = "cycle_bike/v1/methodology.yaml"
SWITCH = "navigated: {kind: switch,"


def changed(folder: Path, file: str, *edits: tuple[str, str]) -> None:
    path = folder / file
    text = path.read_text(encoding="utf-8")
    for old, new in edits:
        assert old in text
        text = text.replace(old, new)
    path.write_text(text, encoding="utf-8")
    (folder / "LOCK").unlink()


def formula_of_a_ride(catalogue: Catalogue, data: dict[str, object]) -> str:
    receipt = catalogue.explain(
        "cycle.bike", region="CN", day=DAY, level="L1", data=data, version=None
    )
    return receipt.lines[1].formula


def test_a_switch_that_is_left_out_has_its_default_and_stands_in_a_formula_as_1_or_0(
    folder: Path,
) -> None:
    changed(
        folder,
        BIKE,
        (SWITCH, 'navigated: {kind: switch, default: "false",'),
        ('{net} * 1000", project: "0"', '{net} * 1000", project: "{navigated} - {navigated}"'),
    )
    lock(folder)
    catalogue = load_catalogue(folder)

    assert formula_of_a_ride(catalogue, {"distance_km": 3}) == "0 - 0"
    assert formula_of_a_ride(catalogue, {"distance_km": 3, "navigated": True}) == "1 - 1"


def test_a_switch_has_no_other_default_than_true_or_false(folder: Path) -> None:
    changed(folder, BIKE, (SWITCH, 'navigated: {kind: switch, default: "yes",'))

    with pytest.raises(CatalogueBroken, match='default of a switch is "true" or "false"'):
        lock(folder)


def test_inputs_that_belong_together_are_given_together_or_not_at_all(folder: Path) -> None:
    changed(folder, BIKE, ("conditions:", "together: [[duration_min, city]]\nconditions:"))
    lock(folder)
    catalogue = load_catalogue(folder)

    def faults(data: dict[str, object]) -> tuple[tuple[str, str], ...]:
        with pytest.raises(DataInvalid) as invalid:
            formula_of_a_ride(catalogue, {"distance_km": 3, **data})
        return invalid.value.errors

    formula_of_a_ride(catalogue, {"distance_km": 3})
    formula_of_a_ride(catalogue, {"distance_km": 3, "duration_min": 20, "city": "Beijing"})
    assert faults({"city": "Beijing"}) == (("duration_min", "is required with city"),)
    assert faults({"duration_min": 20, "city": None}) == (
        ("city", "is required with duration_min"),
    )


@pytest.mark.parametrize(
    ("together", "reason"),
    [("[[duration_min]]", "two or more"), ("[[duration_min, boat]]", "'boat' is not one of")],
)
def test_inputs_that_cannot_belong_together_are_refused(
    folder: Path, together: str, reason: str
) -> None:
    changed(folder, BIKE, ("conditions:", f"together: {together}\nconditions:"))

    with pytest.raises(CatalogueBroken, match=reason):
        lock(folder)


def test_shares_of_actors_are_read_with_the_sheet(folder: Path) -> None:
    changed(
        folder,
        BIKE,
        ("overlap:", 'attribution: {rider: "0.5", operator: "0.25"}\noverlap:'),
    )
    lock(folder)

    sheet = load_catalogue(folder).edition("cycle.bike", "1.0.0").sheet

    assert sheet["attribution"] == {"rider": "0.5", "operator": "0.25"}


def test_shares_of_actors_may_be_told_in_words(folder: Path) -> None:
    changed(folder, BIKE, ("overlap:", "attribution: half and half\noverlap:"))

    assert lock(folder)


@pytest.mark.parametrize("shares", ['{rider: "0.6", operator: "0.5"}', '{rider: "-0.1"}', "{}"])
def test_shares_of_actors_that_are_more_than_the_whole_are_refused(
    folder: Path, shares: str
) -> None:
    changed(folder, BIKE, ("overlap:", f"attribution: {shares}\noverlap:"))

    with pytest.raises(CatalogueBroken, match="shares of the actors"):
        lock(folder)


@pytest.mark.parametrize(
    ("text", "value"),
    [("2 * min(0.9, 3 / 4)", "1.5"), ("max(1 - 2, 0)", "0"), ("-min(1, 2)", "-1")],
)
def test_a_written_sum_may_take_the_smaller_or_the_larger(text: str, value: str) -> None:
    assert evaluate(text) == Decimal(value)


@pytest.mark.parametrize(
    "text", ["min(1)", "min(1, 2, 3)", "abs(1, 2)", "min(a=1)", "min", "1 < 2"]
)
def test_a_written_sum_holds_nothing_else(text: str) -> None:
    with pytest.raises(ValueError, match="holds more than numbers"):
        evaluate(text)

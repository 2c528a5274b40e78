"""Every worked case of every version, and what the receipt of each says."""

from decimal import Decimal

import pytest

from methodologies.arithmetic import evaluate
from methodologies.cases import Case
from methodologies.catalogue import Catalogue, load_catalogue
from methodologies.contract import Assessment, DataInvalid, Edition, Refusal

CATALOGUE = load_catalogue()

CASES = [
    pytest.param(edition, case, id=f"{edition.reference} {case.name}")
    for edition in CATALOGUE.editions()
    for case in CATALOGUE.cases(edition.id, edition.version)
]


def assess(catalogue: Catalogue, edition: Edition, case: Case) -> Assessment | Refusal:
    return catalogue.assess_under(
        edition.reference, region=case.region, day=case.day, level=case.level, data=case.data
    )


@pytest.mark.parametrize(("edition", "case"), CASES)
def test_a_case_gives_what_was_summed_by_hand(edition: Edition, case: Case) -> None:
    if case.invalid is not None:
        with pytest.raises(DataInvalid) as invalid:
            assess(CATALOGUE, edition, case)

        assert case.invalid in [name for name, _ in invalid.value.errors]
        return

    result = assess(CATALOGUE, edition, case)

    if case.refused is not None:
        assert isinstance(result, Refusal)
        assert result.reason == case.refused
        assert case.mentions is None or case.mentions in result.detail
        return

    assert isinstance(result, Assessment)
    assert result.credited_mg == case.credited_mg
    assert abs(Decimal(result.gross_mg) / 1000 - (case.gross_g or 0)) <= Decimal("0.001")
    assert result.methodology == edition.reference
    assert case.uses_region in (None, result.region)
    assert case.flags in (None, result.flags)
    assert case.claims in (None, result.claims)


@pytest.mark.parametrize(("edition", "case"), CASES)
def test_a_receipt_gives_the_same_as_the_assessment(edition: Edition, case: Case) -> None:
    if case.invalid is not None:
        return
    result = assess(CATALOGUE, edition, case)

    receipt = CATALOGUE.explain(
        edition.activity,
        region=case.region,
        day=case.day,
        level=case.level,
        data=case.data,
        version=edition.reference,
    )

    if isinstance(result, Refusal):
        assert receipt.refusal == result
        assert receipt.credited_mg is None
        return
    assert receipt.refusal is None
    assert (receipt.gross_mg, receipt.credited_mg) == (result.gross_mg, result.credited_mg)
    assert (receipt.region, receipt.flags) == (result.region, result.flags)
    formulas = {line.name: line.formula for line in receipt.lines}
    lines = {line.name: Decimal(line.value) for line in receipt.lines}
    gross_g = evaluate(formulas["gross"])
    assert gross_g == lines["gross"]
    assert int(gross_g * 1000) == result.gross_mg
    assert int(max(Decimal(0), gross_g) * 1000 * lines["conservativeness"]) == result.credited_mg

"""Printing on both sides of the paper."""

from decimal import Decimal

from methodologies.contract import Estimate, FactorTable, Inputs

NOTHING = Decimal(0)
SHEET_GSM = Decimal(80)  # what the factor's sheet weighs per square metre


def estimate(inputs: Inputs, factors: FactorTable) -> Estimate:
    """sheets * sheet * paper, with the mass of an A4 sheet in proportion to its g/m2."""
    values = factors["per_sheet"]
    sheets_g = inputs.numbers["sheets_saved"] * values["sheet"] * inputs.numbers["gsm"]
    return Estimate("per_sheet", sheets_g * values["paper"] / SHEET_GSM, NOTHING, NOTHING)

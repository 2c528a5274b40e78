"""Lights switched off before the building would do it."""

from decimal import Decimal

from methodologies.contract import Estimate, FactorTable, Inputs

NOTHING = Decimal(0)


def estimate(inputs: Inputs, factors: FactorTable) -> Estimate:
    """P * h * grid, with P in W and grid in kg/kWh, which is grams."""
    watt_hours = inputs.numbers["power_w"] * inputs.numbers["hours"]
    return Estimate("grid", watt_hours * factors["grid"]["grid"], NOTHING, NOTHING)

"""Electricity from a household's own roof."""

from decimal import Decimal

from methodologies.contract import Estimate, FactorTable, Inputs

G_PER_KG = Decimal(1000)
NOTHING = Decimal(0)


def estimate(inputs: Inputs, factors: FactorTable) -> Estimate:
    """kWh * (grid - life cycle); nothing when somebody else claims the kilowatt-hours."""
    if inputs.switches.get("claimed_elsewhere"):
        return Estimate("claimed", NOTHING, NOTHING, NOTHING)

    kwh = inputs.numbers["kwh"]
    values = factors["grid"]
    return Estimate("grid", kwh * values["grid"] * G_PER_KG, kwh * values["life_cycle"], NOTHING)

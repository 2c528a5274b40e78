"""A used parcel box left at a station for reuse."""

from decimal import Decimal

from methodologies.contract import Estimate, FactorTable, Inputs

G_PER_KG = Decimal(1000)
NOTHING = Decimal(0)


def estimate(inputs: Inputs, factors: FactorTable) -> Estimate:
    """n * 37 g a box; with a weighed mass m in kg: m * board * displacement."""
    mass_kg = inputs.numbers.get("mass_kg")
    if mass_kg is None:
        box_g = factors["per_box"]["box"]
        return Estimate("per_box", inputs.numbers["boxes"] * box_g, NOTHING, NOTHING)

    values = factors["weighed"]
    board_g = mass_kg * values["board"] * values["displacement"] * G_PER_KG
    return Estimate("weighed", board_g, NOTHING, NOTHING)

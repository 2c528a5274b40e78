"""A used phone given to recycling."""

from decimal import Decimal

from methodologies.contract import Estimate, FactorTable, Inputs

G_PER_KG = Decimal(1000)
NOTHING = Decimal(0)
WHOLE = Decimal(1)


def estimate(inputs: Inputs, factors: FactorTable) -> Estimate:
    """With m in kg, weighed or n * phone: m * avoided * (1 - rate)."""
    if inputs.texts["end_fate"] == "disposed":
        return Estimate("disposed", NOTHING, NOTHING, NOTHING)

    branch, mass_kg = "weighed", inputs.numbers.get("mass_kg")
    if mass_kg is None:
        branch = "per_phone"
        mass_kg = inputs.numbers["units"] * factors[branch]["phone"]

    values = factors[branch]
    avoided_g = mass_kg * values["avoided"] * (WHOLE - values["rate"]) * G_PER_KG
    return Estimate(branch, avoided_g, NOTHING, NOTHING)

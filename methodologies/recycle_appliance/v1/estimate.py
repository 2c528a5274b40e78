"""A used household appliance given to recycling."""

from decimal import Decimal

from methodologies.contract import Estimate, FactorTable, Inputs

G_PER_KG = Decimal(1000)
NOTHING = Decimal(0)


def estimate(inputs: Inputs, factors: FactorTable) -> Estimate:
    """With m in kg, weighed or n * the mass of the category: m * avoided * share."""
    if inputs.texts["end_fate"] == "disposed":
        return Estimate("disposed", NOTHING, NOTHING, NOTHING)

    branch, mass_kg = "weighed", inputs.numbers.get("mass_kg")
    if mass_kg is None:
        branch = "per_unit"
        mass_kg = inputs.numbers["units"] * factors[branch][inputs.texts["category"]]

    values = factors[branch]
    avoided_g = mass_kg * values["avoided"] * values["share"] * G_PER_KG
    return Estimate(branch, avoided_g, NOTHING, NOTHING)

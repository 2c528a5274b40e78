"""Used books given to recycling."""

from decimal import Decimal

from methodologies.contract import Estimate, FactorTable, Inputs

G_PER_KG = Decimal(1000)
NOTHING = Decimal(0)
WHOLE = Decimal(1)


def estimate(inputs: Inputs, factors: FactorTable) -> Estimate:
    """With m in kg, weighed or n * book: m * (primary - closed) * (1 - rate)."""
    if inputs.texts["end_fate"] == "disposed":
        return Estimate("disposed", NOTHING, NOTHING, NOTHING)

    branch, mass_kg = "weighed", inputs.numbers.get("mass_kg")
    if mass_kg is None:
        branch = "per_book"
        mass_kg = inputs.numbers["books"] * factors[branch]["book"]

    values = factors[branch]
    added = WHOLE - values["rate"]
    baseline_g = mass_kg * values["primary"] * added * G_PER_KG
    project_g = mass_kg * values["closed"] * added * G_PER_KG
    return Estimate(branch, baseline_g, project_g, NOTHING)

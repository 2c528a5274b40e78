"""A used parcel box given to recycling."""

from decimal import Decimal

from methodologies.contract import Estimate, FactorTable, Inputs

G_PER_KG = Decimal(1000)
NOTHING = Decimal(0)
WHOLE = Decimal(1)


def estimate(inputs: Inputs, factors: FactorTable) -> Estimate:
    """With m in kg, weighed or n * box: m * (primary - closed) * (1 - rate)."""
    branch, mass_kg = "weighed", inputs.numbers.get("mass_kg")
    if mass_kg is None:
        branch = "per_box"
        mass_kg = inputs.numbers["boxes"] * factors[branch]["box"]

    values = factors[branch]
    added = WHOLE - values["rate"]
    baseline_g = mass_kg * values["primary"] * added * G_PER_KG
    project_g = mass_kg * values["closed"] * added * G_PER_KG
    return Estimate(branch, baseline_g, project_g, NOTHING)

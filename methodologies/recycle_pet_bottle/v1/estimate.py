"""PET bottles given to recycling."""

from decimal import Decimal

from methodologies.contract import Estimate, FactorTable, Inputs

G_PER_KG = Decimal(1000)
NOTHING = Decimal(0)
WHOLE = Decimal(1)


def estimate(inputs: Inputs, factors: FactorTable) -> Estimate:
    """With m in g, weighed or n * bottle: m * (primary - closed) * (1 - rate)."""
    if inputs.texts["end_fate"] == "disposed":
        return Estimate("disposed", NOTHING, NOTHING, NOTHING)

    mass_kg = inputs.numbers.get("mass_kg")
    branch = "per_bottle" if mass_kg is None else "weighed"
    values = factors[branch]
    if mass_kg is None:
        mass_g = inputs.numbers["bottles"] * values["bottle"]
    else:
        mass_g = mass_kg * G_PER_KG
    added = WHOLE - values["rate"]
    baseline_g = mass_g * values["primary"] * added
    project_g = mass_g * values["closed"] * added
    return Estimate(branch, baseline_g, project_g, NOTHING)

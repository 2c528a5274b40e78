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

    if "mass_kg" in inputs.numbers:
        branch, mass_g = "weighed", inputs.numbers["mass_kg"] * G_PER_KG
    else:
        branch = "per_bottle"
        mass_g = inputs.numbers["bottles"] * factors[branch]["bottle"]

    values = factors[branch]
    added = WHOLE - values["rate"]
    baseline_g = mass_g * values["primary"] * added
    project_g = mass_g * values["closed"] * added
    return Estimate(branch, baseline_g, project_g, NOTHING)

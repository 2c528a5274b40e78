"""Takeaway boxes of polypropylene given to recycling."""

from decimal import Decimal

from methodologies.contract import Estimate, FactorTable, Inputs

G_PER_KG = Decimal(1000)
NOTHING = Decimal(0)
WHOLE = Decimal(1)


def estimate(inputs: Inputs, factors: FactorTable) -> Estimate:
    """With m in kg: m * (primary - closed) * (1 - rate)."""
    if inputs.texts["end_fate"] == "disposed":
        return Estimate("disposed", NOTHING, NOTHING, NOTHING)

    values = factors["weighed"]
    added_kg = inputs.numbers["mass_kg"] * (WHOLE - values["rate"])
    baseline_g = added_kg * values["primary"] * G_PER_KG
    project_g = added_kg * values["closed"] * G_PER_KG
    return Estimate("weighed", baseline_g, project_g, NOTHING)

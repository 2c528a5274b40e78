"""A dish with a plant-based alternative to meat."""

from decimal import Decimal

from methodologies.contract import Estimate, FactorTable, Inputs

G_PER_KG = Decimal(1000)
NOTHING = Decimal(0)


def estimate(inputs: Inputs, factors: FactorTable) -> Estimate:
    """m * meat - m * alternative, negative for much alternative; with meals: meal - plant meal."""
    texts = inputs.texts
    if "meal" in texts:
        values = factors["by_meal"]
        baseline_g = values[texts["replaced_meal"]] * G_PER_KG
        return Estimate("by_meal", baseline_g, values[texts["meal"]] * G_PER_KG, NOTHING)

    values = factors["by_mass"]
    baseline_g = inputs.numbers["replaced_kg"] * values[texts["replaced"]] * G_PER_KG
    project_g = inputs.numbers["alternative_kg"] * values[texts["alternative"]] * G_PER_KG
    return Estimate("by_mass", baseline_g, project_g, NOTHING)

"""Used clothes given to reuse or recycling."""

from decimal import Decimal

from methodologies.contract import Estimate, FactorTable, Inputs

G_PER_KG = Decimal(1000)
NOTHING = Decimal(0)


def estimate(inputs: Inputs, factors: FactorTable) -> Estimate:
    """With m in kg: m * avoided * usable."""
    if inputs.texts["end_fate"] == "disposed":
        return Estimate("disposed", NOTHING, NOTHING, NOTHING)

    values = factors["weighed"]
    avoided_g = inputs.numbers["mass_kg"] * values["avoided"] * values["usable"] * G_PER_KG
    return Estimate("weighed", avoided_g, NOTHING, NOTHING)

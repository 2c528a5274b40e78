"""A toll station passed without stopping."""

from decimal import Decimal

from methodologies.contract import Estimate, FactorTable, Inputs

G_PER_KG = Decimal(1000)
NOTHING = Decimal(0)


def estimate(inputs: Inputs, factors: FactorTable) -> Estimate:
    """n * share * litres * petrol, with n passages; nothing for an electric car."""
    if inputs.texts["fuel"] == "electric":
        return Estimate("electric", NOTHING, NOTHING, NOTHING)
    values = factors["gasoline"]
    petrol_l = inputs.numbers["passes"] * values["share"] * values["fuel_l"]
    return Estimate("gasoline", petrol_l * values["litre"] * G_PER_KG, NOTHING, NOTHING)

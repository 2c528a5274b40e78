"""A parcel sent in the goods' own box."""

from decimal import Decimal

from methodologies.contract import Estimate, FactorTable, Inputs

G_PER_KG = Decimal(1000)
NOTHING = Decimal(0)


def estimate(inputs: Inputs, factors: FactorTable) -> Estimate:
    """With the outer carton's m in kg: m * board + tape * film."""
    values = factors["per_parcel"]
    carton_g = inputs.numbers["box_mass_kg"] * values["board"] * G_PER_KG
    tape_g = values["tape"] * values["film"]
    return Estimate("per_parcel", carton_g + tape_g, NOTHING, NOTHING)

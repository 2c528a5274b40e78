"""A navigated walk, a share of which replaces motorised trips."""

from decimal import Decimal

from methodologies.contract import Estimate, FactorTable, Inputs

G_PER_KG = Decimal(1000)
NOTHING = Decimal(0)


def estimate(inputs: Inputs, factors: FactorTable) -> Estimate:
    """d * mix * share with d in km, at most the cap of a day."""
    values = factors["shared"]
    distance_km = inputs.numbers["distance_km"]
    avoided_g = distance_km * values["mix"] * values["share"] * G_PER_KG
    cap_g = factors["capped"]["cap"]
    if avoided_g > cap_g:
        return Estimate("capped", cap_g, NOTHING, NOTHING)
    return Estimate("shared", avoided_g, NOTHING, NOTHING)

"""A service used online instead of at a counter."""

from decimal import Decimal

from methodologies.contract import Estimate, FactorTable, Inputs

G_PER_KG = Decimal(1000)
NOTHING = Decimal(0)


def estimate(inputs: Inputs, factors: FactorTable) -> Estimate:
    """share * D * mix, with the share of the year and the round trip of the service in km."""
    values = factors["avoided_trip"]
    round_trip_km = values[inputs.texts["service"]]
    baseline_g = values["share"] * round_trip_km * values["mix"] * G_PER_KG
    return Estimate("avoided_trip", baseline_g, NOTHING, NOTHING)

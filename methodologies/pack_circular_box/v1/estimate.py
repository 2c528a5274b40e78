"""A parcel in a circular plastic box instead of a one-way carton."""

from decimal import Decimal

from methodologies.contract import Estimate, FactorTable, Inputs

G_PER_KG = Decimal(1000)
NOTHING = Decimal(0)


def estimate(inputs: Inputs, factors: FactorTable) -> Estimate:
    """With A in m2 and N trips: A * (grammage * board - variable - fixed / N).

    Negative while N is below nine. The division comes last.
    """
    area_m2 = inputs.numbers["area_m2"]
    values = factors["per_trip"]
    baseline_g = area_m2 * values["grammage"] * values["board"] * G_PER_KG
    every_trip_g = area_m2 * values["variable"] * G_PER_KG
    whole_life_g = area_m2 * values["fixed"] * G_PER_KG
    project_g = every_trip_g + whole_life_g / inputs.numbers["mean_trips"]
    return Estimate("per_trip", baseline_g, project_g, NOTHING)

"""A ride on an electric bicycle instead of the ways to travel that it replaces."""

from decimal import Decimal

from methodologies.contract import Estimate, FactorTable, Inputs

G_PER_KG = Decimal(1000)
NOTHING = Decimal(0)


def estimate(inputs: Inputs, factors: FactorTable) -> Estimate:
    """With d in km. CN: d * net. GB, US: share * d * (car / occupancy - ebike).

    The division comes last, so that a result that can be written exactly is exact.
    """
    distance_km = inputs.numbers["distance_km"]
    if "survey_net" in factors:
        net_g = distance_km * factors["survey_net"]["net"] * G_PER_KG
        return Estimate("survey_net", net_g, NOTHING, NOTHING)

    values = factors["car_share"]
    shifted_km = values["share"] * distance_km
    baseline_g = shifted_km * values["car"] * G_PER_KG / values["occupancy"]
    project_g = shifted_km * values["ebike"] * G_PER_KG
    return Estimate("car_share", baseline_g, project_g, NOTHING)

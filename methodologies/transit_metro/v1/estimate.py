"""A metro trip instead of the same kilometres by the region's usual way to travel."""

from decimal import Decimal

from methodologies.contract import Estimate, FactorTable, Inputs

G_PER_KG = Decimal(1000)
NOTHING = Decimal(0)


def estimate(inputs: Inputs, factors: FactorTable) -> Estimate:
    """With d in km, per trip when d is not known.

    CN: d * (mix - metro). GB, US: share * d * (car / occupancy - metro).
    The division comes last, so that a result that can be written exactly is exact.
    """
    distance_km = inputs.numbers.get("distance_km")
    if distance_km is None:
        trip_g = factors["per_trip"]["trip"]
        return Estimate("per_trip", inputs.numbers["trips"] * trip_g, NOTHING, NOTHING)

    mode = inputs.texts["mode"]
    if "mode_mix" in factors:
        values = factors["mode_mix"]
        baseline_g = distance_km * values["mix"] * G_PER_KG
        project_g = distance_km * values[mode] * G_PER_KG
        return Estimate("mode_mix", baseline_g, project_g, NOTHING)

    values = factors["car_share"]
    shifted_km = values["share"] * distance_km
    baseline_g = shifted_km * values["car"] * G_PER_KG / values["occupancy"]
    project_g = shifted_km * values[mode] * G_PER_KG
    return Estimate("car_share", baseline_g, project_g, NOTHING)

"""A train instead of a flight between the same places."""

from decimal import Decimal

from methodologies.contract import Estimate, FactorTable, Inputs

G_PER_KG = Decimal(1000)
NOTHING = Decimal(0)


def estimate(inputs: Inputs, factors: FactorTable) -> Estimate:
    """share * (D_air * air - D_rail * rail), in km.

    The share is that of the band of the distance, unless both were offered. The flight's value is
    one (CN), or goes by kind of flight (GB), or by the band of the distance (US).
    """
    texts = inputs.texts
    offered = texts["evidence"] == "both_options_offered"
    branch = "offered" if offered else "by_distance"
    values = factors[branch]
    share = values["share" if offered else texts["air_share"]]
    if "air" in values:
        air = values["air"]
    elif texts["flight"] in values:
        air = values[texts["flight"]]
    else:
        air = values[texts["haul"]]
    baseline_g = share * inputs.numbers["air_km"] * air * G_PER_KG
    project_g = share * inputs.numbers["rail_km"] * values["rail"] * G_PER_KG
    return Estimate(branch, baseline_g, project_g, NOTHING)

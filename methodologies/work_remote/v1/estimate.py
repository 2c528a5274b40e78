"""A day of work at home instead of a commute."""

from decimal import Decimal

from methodologies.contract import Estimate, FactorTable, Inputs

G_PER_KG = Decimal(1000)
NOTHING = Decimal(0)


def estimate(inputs: Inputs, factors: FactorTable) -> Estimate:
    """CN: D * commute - h * power * grid. GB: D * commute - h * home. With D in km, h in hours."""
    commute_km, hours = inputs.numbers["commute_km_round_trip"], inputs.numbers["hours"]
    mode = inputs.texts["mode"]
    if "published_hour" in factors:
        values = factors["published_hour"]
        leakage_g = hours * values["home"] * G_PER_KG
        return Estimate("published_hour", commute_km * values[mode] * G_PER_KG, NOTHING, leakage_g)

    values = factors["electricity"]
    leakage_g = hours * values["power"] * values["grid"] * G_PER_KG
    return Estimate("electricity", commute_km * values[mode] * G_PER_KG, NOTHING, leakage_g)

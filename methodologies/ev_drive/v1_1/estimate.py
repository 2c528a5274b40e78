"""A drive in an electric car instead of a petrol one."""

from decimal import Decimal

from methodologies.contract import Estimate, FactorTable, Inputs

G_PER_KG = Decimal(1000)
HUNDRED = Decimal(100)
NOTHING = Decimal(0)
ONE = Decimal(1)


def estimate(inputs: Inputs, factors: FactorTable) -> Estimate:
    """d * (ice - use / 100 * grid / (1 - loss)), with d in km and the use in kWh per 100 km.

    GB: d * (ice - bev - td), all published per km. FR: d * (ice - bev), of their whole lives.
    """
    distance_km = inputs.numbers["distance_km"]
    if "per_km" in factors:
        values = factors["per_km"]
        baseline_g = distance_km * values["ice"] * G_PER_KG
        bev = values["bev"] + values["td"] if "td" in values else values["bev"]
        project_g = distance_km * bev * G_PER_KG
        return Estimate("per_km", baseline_g, project_g, NOTHING)

    use = inputs.numbers.get("kwh_per_100km")
    branch = "usual" if use is None else "measured"
    values = factors[branch]
    if use is None:
        use = values["use"]
    baseline_g = distance_km * values["ice"] * G_PER_KG
    project_g = distance_km * use * values["grid"] * G_PER_KG / (HUNDRED * (ONE - values["loss"]))
    return Estimate(branch, baseline_g, project_g, NOTHING)

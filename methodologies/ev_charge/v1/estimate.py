"""Electricity charged into an electric car instead of petrol."""

from decimal import Decimal

from methodologies.contract import Estimate, FactorTable, Inputs

G_PER_KG = Decimal(1000)
HUNDRED = Decimal(100)
NOTHING = Decimal(0)
ONE = Decimal(1)


def estimate(inputs: Inputs, factors: FactorTable) -> Estimate:
    """kWh * (ice / (use / 100) - grid / (1 - loss)), with the use in kWh per 100 km.

    GB: kWh * (ice / (use / 100) - grid - td).
    """
    kwh = inputs.numbers["kwh"]
    use = inputs.numbers.get("kwh_per_100km")
    branch = "usual" if use is None else "measured"
    values = factors[branch]
    if use is None:
        use = values["use"]
    baseline_g = kwh * values["ice"] * G_PER_KG * HUNDRED / use
    if "td" in values:
        project_g = kwh * (values["grid"] + values["td"]) * G_PER_KG
    else:
        project_g = kwh * values["grid"] * G_PER_KG / (ONE - values["loss"])
    return Estimate(branch, baseline_g, project_g, NOTHING)

"""A day on which the car stays parked."""

from decimal import Decimal

from methodologies.contract import Estimate, FactorTable, Inputs

DAYS_PER_YEAR = Decimal(365)
G_PER_KG = Decimal(1000)
HUNDRED = Decimal(100)
NOTHING = Decimal(0)
ONE = Decimal(1)
TWO = Decimal(2)


def estimate(inputs: Inputs, factors: FactorTable) -> Estimate:
    """n * use * km / 365 * (car - moved * (bus + metro) / 2), with n days and km a year.

    Of an electric car the kilometre is kWh / 100 * grid / (1 - loss). Nothing on restricted days.
    """
    if inputs.switches.get("restricted_day"):
        return Estimate("restricted", NOTHING, NOTHING, NOTHING)
    kwh = inputs.numbers.get("kwh_per_100km")
    branch = "petrol"
    if inputs.texts["powertrain"] == "bev":
        branch = "bev_usual" if kwh is None else "bev_measured"
    values = factors[branch]

    yearly_km = values["use"] * inputs.numbers["days"] * values["km"]
    if branch == "petrol":
        baseline_g = yearly_km * values["car"] * G_PER_KG / DAYS_PER_YEAR
    else:
        per_100km = values["kwh"] if kwh is None else kwh
        whole = HUNDRED * DAYS_PER_YEAR * (ONE - values["loss"])
        baseline_g = yearly_km * per_100km * values["grid"] * G_PER_KG / whole
    transit = values["bus"] + values["metro"]
    project_g = yearly_km * values["moved"] * transit * G_PER_KG / (TWO * DAYS_PER_YEAR)
    return Estimate(branch, baseline_g, project_g, NOTHING)

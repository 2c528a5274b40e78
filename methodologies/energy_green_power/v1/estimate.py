"""Green electricity bought with a retired certificate."""

from decimal import Decimal

from methodologies.contract import Estimate, FactorTable, Inputs

G_PER_KG = Decimal(1000)
NOTHING = Decimal(0)


def estimate(inputs: Inputs, factors: FactorTable) -> Estimate:
    """kWh * (grid - life cycle), if the certificate is retired for the person and not claimed."""
    if inputs.switches["claimed_elsewhere"]:
        return Estimate("claimed", NOTHING, NOTHING, NOTHING)
    if inputs.texts["certificate"] == "not_retired":
        return Estimate("not_retired", NOTHING, NOTHING, NOTHING)

    kwh = inputs.numbers["kwh"]
    values = factors["grid"]
    return Estimate("grid", kwh * values["grid"] * G_PER_KG, kwh * values["life_cycle"], NOTHING)

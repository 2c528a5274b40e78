"""Empty seats of a private car shared with passengers going the same way."""

from decimal import Decimal

from methodologies.contract import Estimate, FactorTable, Inputs

G_PER_KG = Decimal(1000)
LONG_KM = Decimal(100)
NOTHING = Decimal(0)


def estimate(inputs: Inputs, factors: FactorTable) -> Estimate:
    """role * (sum L * alternative - detour * car), with L the passengers' km.

    The alternative is the mix of modes; over 100 km the stated one, else a lower mix.
    """
    passenger_km, is_long = NOTHING, False
    for one in inputs.rows["passenger_km"]:
        length_km = one.numbers["passenger_km"]
        passenger_km += length_km
        is_long = is_long or length_km > LONG_KM
    stated = inputs.texts["stated_alternative"]
    kind = "near"
    if is_long:
        kind = "long" if stated == "unstated" else "stated"

    detour_km = inputs.numbers.get("detour_km")
    branch = f"{kind}_default" if detour_km is None else f"{kind}_measured"
    values = factors[branch]
    share = values[inputs.texts["role"]]
    alternative = values[stated] if kind == "stated" else values["mix"]
    baseline_g = share * passenger_km * alternative * G_PER_KG
    if detour_km is None:
        leakage_g = share * values["detour"] * passenger_km * values["car"] * G_PER_KG
    else:
        leakage_g = share * detour_km * values["car"] * G_PER_KG
    return Estimate(branch, baseline_g, NOTHING, leakage_g)

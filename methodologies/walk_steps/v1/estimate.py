"""The steps of a day, a share of which replaces motorised trips."""

from decimal import Decimal

from methodologies.contract import Estimate, FactorTable, Inputs

NOTHING = Decimal(0)


def estimate(inputs: Inputs, factors: FactorTable) -> Estimate:
    """steps * step * mix * share (metres times kg is km times g), at most the cap of a day."""
    values = factors["shared"]
    avoided_g = inputs.numbers["steps"] * values["step"] * values["mix"] * values["share"]
    cap_g = factors["capped"]["cap"]
    if avoided_g > cap_g:
        return Estimate("capped", cap_g, NOTHING, NOTHING)
    return Estimate("shared", avoided_g, NOTHING, NOTHING)

"""A payment or order by code instead of a printed slip."""

from decimal import Decimal

from methodologies.contract import Estimate, FactorTable, Inputs

NOTHING = Decimal(0)


def estimate(inputs: Inputs, factors: FactorTable) -> Estimate:
    """n * share * mass * paper, with n slips; nothing when printed all the same."""
    if inputs.switches.get("printed_by_user"):
        return Estimate("printed", NOTHING, NOTHING, NOTHING)
    values = factors["paper"]
    receipts = inputs.numbers["receipts"]
    baseline_g = receipts * values["share"] * values["mass"] * values["paper"]
    return Estimate("paper", baseline_g, NOTHING, NOTHING)

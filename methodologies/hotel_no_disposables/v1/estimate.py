"""A hotel stay without disposable articles."""

from decimal import Decimal

from methodologies.contract import Estimate, FactorTable, Inputs

NOTHING = Decimal(0)


def estimate(inputs: Inputs, factors: FactorTable) -> Estimate:
    """n * order; nothing when the articles were laid out all the same."""
    if inputs.switches.get("hotel_complied") is False:
        return Estimate("not_complied", NOTHING, NOTHING, NOTHING)

    orders_g = inputs.numbers["orders"] * factors["per_order"]["order"]
    return Estimate("per_order", orders_g, NOTHING, NOTHING)

"""A drink in the person's own cup instead of a paper one."""

from decimal import Decimal

from methodologies.contract import Estimate, FactorTable, Inputs

NOTHING = Decimal(0)


def estimate(inputs: Inputs, factors: FactorTable) -> Estimate:
    """n * cup - n * wash; nothing where the shop has no paper cups."""
    if inputs.texts["shop_default"] == "own_cup_only":
        return Estimate("no_paper_cup", NOTHING, NOTHING, NOTHING)

    cups = inputs.numbers["cups"]
    values = factors["per_cup"]
    return Estimate("per_cup", cups * values["cup"], cups * values["wash"], NOTHING)

"""Shopping without a disposable bag."""

from decimal import Decimal

from methodologies.contract import Estimate, FactorTable, Inputs

NOTHING = Decimal(0)


def estimate(inputs: Inputs, factors: FactorTable) -> Estimate:
    """n * bag * film - n * own with an own bag; nothing where a bag comes on request only."""
    if inputs.texts["shop_default"] == "bag_on_request":
        return Estimate("on_request", NOTHING, NOTHING, NOTHING)

    bags = inputs.numbers["bags"]
    values = factors["per_bag"]
    baseline_g = bags * values["bag"] * values["film"]
    project_g = bags * values["own"] if inputs.switches["own_bag"] else NOTHING
    return Estimate("per_bag", baseline_g, project_g, NOTHING)

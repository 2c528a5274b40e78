"""A used item sold from person to person."""

from decimal import Decimal

from methodologies.contract import Estimate, FactorTable, Inputs

G_PER_KG = Decimal(1000)
NOTHING = Decimal(0)


def estimate(inputs: Inputs, factors: FactorTable) -> Estimate:
    """With c the smaller of condition and life left: product * c * displacement - delivery.

    By the named method t_cace: product * c. The product is that of the category, or the reported
    footprint times its share of production.
    """
    numbers, alternative = inputs.numbers, inputs.texts["method"] == "t_cace"
    if "pcf_kg" in numbers:
        branch = "t_cace_reported" if alternative else "reported"
        values = factors[branch]
        product_g = numbers["pcf_kg"] * numbers["production_share"] * G_PER_KG
    else:
        branch = "t_cace" if alternative else "category"
        values = factors[branch]
        product_g = values[inputs.texts["category"]] * G_PER_KG

    left_g = product_g * min(numbers["condition"], numbers["life_share"])
    if alternative:
        return Estimate(branch, left_g, NOTHING, NOTHING)
    delivery_g = values["delivery"] * G_PER_KG if inputs.switches["shipped"] else NOTHING
    return Estimate(branch, left_g * values["displacement"], NOTHING, delivery_g)

"""An electronic invoice instead of a paper one."""

from decimal import Decimal

from methodologies.contract import Estimate, FactorTable, Inputs

NOTHING = Decimal(0)


def estimate(inputs: Inputs, factors: FactorTable) -> Estimate:
    """n * mass * paper - n * digital, with n invoices; nothing after the sunset or when printed."""
    if "sunset" in factors:
        return Estimate("sunset", NOTHING, NOTHING, NOTHING)
    if inputs.switches.get("printed_by_user"):
        return Estimate("printed", NOTHING, NOTHING, NOTHING)

    invoices = inputs.numbers["invoices"]
    values = factors["paper"]
    baseline_g = invoices * values["mass"] * values["paper"]
    project_g = invoices * values["digital"]
    return Estimate("paper", baseline_g, project_g, NOTHING)

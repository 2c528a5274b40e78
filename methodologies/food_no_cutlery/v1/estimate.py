"""A takeaway order without disposable cutlery."""

from decimal import Decimal

from methodologies.contract import Estimate, FactorTable, Inputs

NOTHING = Decimal(0)


def estimate(inputs: Inputs, factors: FactorTable) -> Estimate:
    """sets * (chopsticks * wood + spoon * pp + sleeve * film + napkin * paper), masses in g."""
    if inputs.switches.get("merchant_complied") is False:
        return Estimate("not_complied", NOTHING, NOTHING, NOTHING)

    values = factors["per_set"]
    set_g = (
        values["chopsticks"] * values["wood"]
        + values["spoon"] * values["pp"]
        + values["sleeve"] * values["film"]
        + values["napkin"] * values["paper"]
    )
    return Estimate("per_set", inputs.numbers["sets"] * set_g, NOTHING, NOTHING)

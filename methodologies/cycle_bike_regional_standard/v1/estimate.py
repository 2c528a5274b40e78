"""A bicycle ride by the regional standard: the mix of all modes less the bicycle."""

from decimal import Decimal

from methodologies.contract import Estimate, FactorTable, Inputs

G_PER_KG = Decimal(1000)
NOTHING = Decimal(0)


def estimate(inputs: Inputs, factors: FactorTable) -> Estimate:
    """With d in km: d * (mix - bike), whatever method the event itself names."""
    values = factors["regional_standard"]
    distance_km = inputs.numbers["distance_km"]
    baseline_g = distance_km * values["mix"] * G_PER_KG
    project_g = distance_km * values["bike"] * G_PER_KG
    return Estimate("regional_standard", baseline_g, project_g, NOTHING)

"""An appliance that uses less electricity than the market's average."""

from decimal import Decimal

from methodologies.contract import Estimate, FactorTable, Inputs

G_PER_KG = Decimal(1000)
DAYS_PER_YEAR = Decimal(365)
NOTHING = Decimal(0)


def estimate(inputs: Inputs, factors: FactorTable) -> Estimate:
    """(reference - item) * grid * days / 365, negative when the item uses more.

    Nothing past the design life. The item is taken off before the division, which comes last, so
    that a result that can be written exactly is exact.
    """
    numbers = inputs.numbers
    age_days = numbers.get("age_days")
    if age_days is not None:
        life_years = factors["past_life"][inputs.texts["category"]]
        if age_days > life_years * DAYS_PER_YEAR:
            return Estimate("past_life", NOTHING, NOTHING, NOTHING)

    spared_kwh_year = numbers["reference_kwh_year"] - numbers["item_kwh_year"]
    year_g = spared_kwh_year * factors["in_use"]["grid"] * G_PER_KG
    return Estimate("in_use", year_g * numbers["days"] / DAYS_PER_YEAR, NOTHING, NOTHING)

"""A meeting by video instead of trips to it."""

from decimal import Decimal

from methodologies.contract import Estimate, FactorTable, Inputs

G_PER_KG = Decimal(1000)
NOTHING = Decimal(0)


def estimate(inputs: Inputs, factors: FactorTable) -> Estimate:
    """sum(persons * D * mode) - participant-hours * video, with D in km there and back.

    Without a cancelled trip: share * D * mode of one person's trip, less the same video.
    """
    is_cancelled = inputs.texts["evidence"] == "trip_cancelled"
    branch = "cancelled" if is_cancelled else "share"
    values = factors[branch]
    trips_kg = NOTHING
    for trip in inputs.rows["avoided_trips"]:
        one_kg = trip.numbers["km_round_trip"] * values[trip.texts["mode"]]
        trips_kg += trip.numbers["persons"] * one_kg if is_cancelled else one_kg
    if not is_cancelled:
        trips_kg = values["share"] * trips_kg
    project_g = inputs.numbers["participant_hours"] * values["video"]
    return Estimate(branch, trips_kg * G_PER_KG, project_g, NOTHING)

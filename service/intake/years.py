"""Steps of a commit: the years of things that a sheet limits are locked, then taken from."""

from collections.abc import Mapping, Sequence
from datetime import timedelta

from service.intake import store
from service.intake.candidate import Candidate
from service.intake.extent import YearKey, YearState, ranges_text


async def lock_years(
    connection: store.Connection, new: Sequence[Candidate]
) -> dict[YearKey, YearState]:
    """Lock the years of the things that a sheet limits; what is taken of each, by whomever."""
    partners = {
        key: event.partner
        for event in new
        if event.extent is not None
        for key in event.extent.years(event.local_day)
    }
    if not partners:
        return {}
    rows = await store.lock_years(connection, [(*key, partners[key]) for key in sorted(partners)])
    return {
        (row["bucket"], row["thing_key"], row["year"]): YearState(
            row["quantity_milli"],
            {
                days.lower + timedelta(days=after)
                for days in row["days"]
                for after in range((days.upper - days.lower).days)
            },
        )
        for row in rows
    }


async def use_years(connection: store.Connection, years: Mapping[YearKey, YearState]) -> None:
    """Take off the locked years what this batch takes of them, in the order of their keys."""
    used = [
        (*key, year.new_quantity_milli, ranges_text(year.new_days))
        for key, year in sorted(years.items())
        if year.new_quantity_milli
    ]
    if used:
        await store.use_years(connection, used)

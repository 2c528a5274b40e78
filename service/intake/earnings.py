"""Steps of a commit: what people earned on the days concerned is read, then added to.

The locks on their accounts keep others from adding to the same earnings in between.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

import asyncpg

from methodologies.contract import Refusal
from service.intake import store
from service.intake.candidate import Candidate
from service.intake.day_state import DayKey, DayState
from service.intake.legs import legs_of, legs_text


async def read_earnings(
    connection: store.Connection,
    new: Sequence[Candidate],
    rivals: Sequence[str],
    now: datetime,
) -> dict[DayKey, DayState]:
    """What is recorded for every person, day and activity of the events that may be credited."""
    days = {
        (event.bucket, event.person_id, event.local_day, event.activity): DayState()
        for event in new
        if not isinstance(event.result, Refusal)
    }
    for event in new:
        if event.extent is not None:
            for day in event.extent.days:
                days[event.bucket, event.person_id, day, event.activity] = DayState()
    if not days:
        return days
    keys = list(days)
    for row in await store.earned(connection, keys, rivals):
        days[keys[row["ordinal"] - 1]] = DayState(
            actions=row["actions"] or 0,
            points=row["points"] or 0,
            gross_mg=row["gross_mg"] or 0,
            quantity_milli=row["quantity_milli"] or 0,
            month_actions=row["month_actions"] or 0,
            month_points=row["month_points"] or 0,
            rivals_in_day=frozenset(row["rivals_in_day"] or ()),
            rivals_in_month=frozenset(row["rivals_in_month"] or ()),
            legs=legs_of(row["legs"]),
            l0_day=row["l0_day"] or 0,
            l0_month=row["l0_month"] or 0,
            is_taken=row["round"] is not None,
            round=_round(row, now),
        )
    return days


def _round(row: asyncpg.Record, now: datetime) -> int:
    """The round that new points of a day belong to: another one after the last has lapsed."""
    if row["round"] is None:
        return 0
    return int(row["round"]) + int(row["lapses_at"] <= now)


async def add_earnings(connection: store.Connection, days: Mapping[DayKey, DayState]) -> None:
    """Add what is new in this batch to the earnings of its days, in the order of their keys."""
    rows = [
        (
            *key,
            day.round,
            day.new_actions,
            day.new_points,
            day.new_gross_mg,
            day.new_quantity_milli,
            day.ripens_at,
            day.lapses_at,
            legs_text(day.new_legs),
            day.new_l0_points,
        )
        for key, day in days.items()
        if day.new_actions or day.is_covered
    ]
    if rows:
        await store.add_earnings(connection, sorted(rows))

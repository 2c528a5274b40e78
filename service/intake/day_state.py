"""What one person has for one activity on a day, while a batch is decided. Pure."""

from dataclasses import dataclass, field
from datetime import date, datetime
from uuid import UUID

from service.intake.legs import Leg

DayKey = tuple[int, UUID, date, str]  # bucket, person, local day, activity


@dataclass(slots=True)
class DayState:
    """What one person has for one activity on a day, and how much of it is new in this batch.

    `month_actions` and `month_points` are the whole month's as recorded, this day included.
    `l0_day` and `l0_month` are points of what the person declared, of all activities. The
    rivals are other activities that the person was credited for. `legs` are those of all activities
    from the day before to the day after, as recorded; `new_legs` this activity's own, of the batch.
    `is_taken`: there is an action of this activity which takes the day; `is_covered`: it is one of
    this batch, and its own day is a later one.
    """

    actions: int = 0
    points: int = 0
    gross_mg: int = 0
    quantity_milli: int = 0
    new_actions: int = 0
    new_points: int = 0
    new_gross_mg: int = 0
    new_quantity_milli: int = 0
    month_actions: int = 0
    month_points: int = 0
    l0_day: int = 0
    l0_month: int = 0
    new_l0_points: int = 0
    rivals_in_day: frozenset[str] = frozenset()
    rivals_in_month: frozenset[str] = frozenset()
    legs: list[Leg] = field(default_factory=list)
    new_legs: list[Leg] = field(default_factory=list)
    is_taken: bool = False
    is_covered: bool = False
    round: int = 0
    ripens_at: datetime | None = None
    lapses_at: datetime | None = None

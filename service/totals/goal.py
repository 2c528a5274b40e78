"""The goal: 1.5 Gt CO2e avoided in 2021-2035; how far, how fast, and until when. Pure.

Rates are milligrams CO2e a year of 365.2425 days. The run rate is what the last 365 days gave.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from service.settings import GOAL_MG, PROGRAMME_FROM, PROGRAMME_TO

TRAILING = timedelta(days=365)
DAYS_IN_YEAR = Decimal("365.2425")
FARTHEST_YEAR = 9999


@dataclass(frozen=True, slots=True)
class Goal:
    """The programme's progress towards its goal on a day."""

    avoided_mg: int
    run_rate_mg_per_year: int
    required_rate_mg_per_year: int | None
    projected_year: int | None

    @property
    def share(self) -> Decimal:
        """The part of the goal that is reached, twelve decimals: one person's ride is visible."""
        return (Decimal(self.avoided_mg) / GOAL_MG).quantize(Decimal("1e-12"))


def goal_on(day: date, *, avoided_mg: int, trailing_mg: int) -> Goal:
    """Return the goal's figures. `trailing_mg` is the sum of the 365 days up to and with `day`.

    The required rate is None after the programme's end; the projected year is None while the run
    rate leads nowhere, and the current year once the goal is reached.
    """
    missing = max(0, GOAL_MG - avoided_mg)
    run_rate = int(Decimal(trailing_mg) / TRAILING.days * DAYS_IN_YEAR)
    days_left = (PROGRAMME_TO - max(day, PROGRAMME_FROM)).days + 1
    required = int(missing / (days_left / DAYS_IN_YEAR)) if days_left > 0 else None
    projected = None
    if missing == 0:
        projected = day.year
    elif run_rate > 0:
        years = missing / Decimal(run_rate)
        year = day.year + int((day.timetuple().tm_yday - 1) / DAYS_IN_YEAR + years)
        projected = year if year <= FARTHEST_YEAR else None
    return Goal(avoided_mg, run_rate, required, projected)

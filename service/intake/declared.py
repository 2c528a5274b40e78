"""The budget of what people declare themselves: over all activities of a person together. Pure."""

from datetime import date
from uuid import UUID

from service.intake.candidate import Candidate
from service.intake.day_state import DayState
from service.points.policy import UNLIMITED, Budget, Policy, is_declared


class DeclaredPoints:
    """What is new of a batch for each person's day and month; the rest is recorded."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._days: dict[tuple[UUID, date], int] = {}
        self._months: dict[tuple[UUID, int], int] = {}

    def budget_of(self, candidate: Candidate, day: DayState) -> Budget:
        """Return the budget that a candidate's points are under, and what of it is used."""
        if not is_declared(candidate.evidence_level):
            return UNLIMITED
        limits = self._policy.in_force(candidate.local_day).declared
        person = candidate.person_id
        return limits._replace(
            used_day=day.l0_day + self._days.get((person, candidate.local_day), 0),
            used_month=day.l0_month + self._months.get((person, candidate.month), 0),
        )

    def take(self, candidate: Candidate, day: DayState, points: int) -> None:
        """Take points off the budget, if they are under it."""
        if not is_declared(candidate.evidence_level):
            return
        of_day = candidate.person_id, candidate.local_day
        of_month = candidate.person_id, candidate.month
        self._days[of_day] = self._days.get(of_day, 0) + points
        self._months[of_month] = self._months.get(of_month, 0) + points
        day.new_l0_points += points

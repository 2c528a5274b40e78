"""What becomes of each new event of a batch, given what is recorded. Pure: the rules of the ledger.

Events are decided in their order; each sees what the ones before it in the batch took.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from operator import itemgetter
from types import MappingProxyType
from typing import NamedTuple
from uuid import UUID

from methodologies.arithmetic import plain
from methodologies.contract import Assessment, Edition, Refusal
from methodologies.exclusive import Exclusions
from service.intake.action_row import ActionRow
from service.intake.candidate import Candidate
from service.intake.day_state import DayKey, DayState
from service.intake.declared import DeclaredPoints
from service.intake.extent import Extent, YearKey, YearState
from service.intake.legs import Leg
from service.intake.outcome import Outcome, is_limited, leaf_of, outcome_of
from service.journal.cell import Amounts, Cell
from service.points.policy import EVIDENCE, Awarded, Policy, Rule, award

ALREADY_CLAIMED = "already_claimed"


@dataclass(slots=True)
class Decided:
    """The facts of a batch, ready to be written."""

    outcomes: list[Outcome] = field(default_factory=list)
    rows: list[ActionRow] = field(default_factory=list)
    days: dict[DayKey, DayState] = field(default_factory=dict)
    deltas: dict[Cell, Amounts] = field(default_factory=dict)
    leaves: list[bytes] = field(default_factory=list)
    counted: dict[UUID, int] = field(default_factory=dict)


# The columns of an action that its candidate says under the same names, in the order of the row.
STATED = ActionRow._fields[: ActionRow._fields.index("action_id")]
_Stated = tuple[
    int, UUID, str, str, date, str, str, str | None, datetime, int, str, str, bytes, str,
    UUID | None,
]  # fmt: skip
_stated: Callable[[Candidate], _Stated] = itemgetter(*map(Candidate._fields.index, STATED))


class _Verdict(NamedTuple):
    outcome: str
    avoided_mg: int
    error_mg: int
    points: int
    reason: str | None
    detail: str | None


class _Terms(NamedTuple):
    """The policy for an activity on a day, and when points of that day ripen and lapse."""

    rule: Rule
    ripens_at: datetime
    lapses_at: datetime


_CLAIMED = _Verdict(
    ALREADY_CLAIMED, 0, 0, 0, ALREADY_CLAIMED,
    "The ride, order or invoice behind this event was credited before.",
)  # fmt: skip

NOBODY_WAITS: Mapping[UUID, datetime] = MappingProxyType({})
YEAR_PASSED = "methodology_quantity_per_year"

_OVERLAPS = _Verdict(
    "capped", 0, 0, 0, "overlaps_another_leg",
    "Another leg of the same person was credited for a part of this time.",
)  # fmt: skip


class Decider:
    """Decides a batch event by event. `days` holds what is recorded for the days concerned."""

    def __init__(
        self,
        policy: Policy,
        *,
        batch_id: UUID,
        now: datetime,
        days: dict[DayKey, DayState],
        years: dict[YearKey, YearState],
        exclusions: Exclusions,
        waits_until: Mapping[UUID, datetime] = NOBODY_WAITS,
    ) -> None:
        """`waits_until`: before then nothing lapses of what these customers earn."""
        self._waits_until = waits_until
        self._policy = policy
        self._exclusions = exclusions
        self._rivals = exclusions.activities
        self._years = years
        self._credited: dict[tuple[UUID, str], set[object]] = {}
        self._legs: dict[UUID, list[Leg]] = {}
        self._batch_id = batch_id
        self._now = now
        self._months: dict[tuple[UUID, str, int], list[int]] = {}
        self._terms: dict[tuple[str, date, int], _Terms] = {}
        self._declared = DeclaredPoints(policy)
        self._amounts: dict[tuple[object, ...], Amounts] = {}
        self.decided = Decided(days=days)

    def decide(
        self, candidate: Candidate, action_id: UUID, *, salt: bytes, claimed: bool
    ) -> Outcome:
        """Record one event under the salt of its leaf.

        `claimed` says that somebody else owns what it would claim.
        """
        result, ripens_at = candidate.result, None
        if isinstance(result, Refusal):
            verdict = _Verdict("refused", 0, 0, 0, result.reason, result.detail)
        elif claimed:
            verdict = _CLAIMED
        else:
            verdict, ripens_at = self._credit(candidate, result)
            self._count(candidate, result, verdict)
        return self._record(candidate, action_id, salt, verdict, ripens_at)

    def _credit(self, candidate: Candidate, result: Assessment) -> tuple[_Verdict, datetime | None]:
        terms = self._terms_of(candidate)
        day = self.decided.days[
            candidate.bucket, candidate.person_id, candidate.local_day, candidate.activity
        ]
        limit = limit_passed(result.edition, result, day)
        if limit is not None:
            return _Verdict("capped", 0, 0, 0, limit, limit_text(limit, result.edition)), None
        excluded = self._excluded(candidate, day) or self._beyond(candidate, result)
        if excluded is not None:
            return excluded, None
        credited_mg, month = result.credited_mg, self._month(candidate, day)
        points, cap = award(
            terms.rule,
            credited_mg,
            Awarded(day.actions + day.new_actions, day.points + day.new_points, month[0], month[1]),
            level=candidate.evidence_level,
            budget=self._declared.budget_of(candidate, day),
        )
        if points or credited_mg:
            day.new_actions += 1
            day.new_points += points
            day.new_gross_mg += result.gross_mg
            day.new_quantity_milli += result.quantity_milli
            month[0] += 1
            month[1] += points
            self._declared.take(candidate, day, points)
            self._occupy(candidate, day)
            day.ripens_at, day.lapses_at = terms.ripens_at, self._lapses_at(candidate, terms)
            if candidate.extent is not None:
                self._extend(candidate, candidate.extent, result, terms)
        name, detail = "credited" if credited_mg else "zero", None
        if cap is not None:
            name, detail = "capped", points_cap_text(cap, terms.rule)
        error_mg = half_width_mg(credited_mg, result)
        verdict = _Verdict(name, credited_mg, error_mg, points, cap, detail)
        return verdict, terms.ripens_at if points else None

    def _lapses_at(self, candidate: Candidate, terms: _Terms) -> datetime:
        """When points lapse: not before a customer had time to be linked."""
        until = self._waits_until.get(candidate.person_id) if candidate.waits else None
        return terms.lapses_at if until is None else max(terms.lapses_at, until)

    def _excluded(self, candidate: Candidate, day: DayState) -> _Verdict | None:
        """Why another action of the person leaves no room for this one, if it does."""
        if candidate.leg is not None:
            for began, ended in (*day.legs, *self._legs.get(candidate.person_id, ())):
                if candidate.leg[0] < ended and began < candidate.leg[1]:
                    return _OVERLAPS
        activity, rules = candidate.activity, self._exclusions
        if activity not in self._rivals:
            return None
        for rivals, recorded, period, word in (
            (rules.in_day.get(activity), day.rivals_in_day, candidate.local_day, "day"),
            (rules.in_month.get(activity), day.rivals_in_month, candidate.month, "month"),
        ):
            for rival in sorted(rivals or ()):
                if rival in recorded or period in self._credited.get(
                    (candidate.person_id, rival), ()
                ):
                    detail = f"{rival} of the same {word} is credited, and the two overlap."
                    return _Verdict("capped", 0, 0, 0, f"excluded_that_{word}", detail)
        return None

    def _beyond(self, candidate: Candidate, result: Assessment) -> _Verdict | None:
        """Why the other days that an action covers, or its thing's year, have no room for it."""
        extent = candidate.extent
        if extent is None:
            return None
        for covered in extent.days:
            found = self._taken_by(candidate, covered)
            if found is not None:
                return _taken(f"{found} of {covered} is credited, and the two overlap.")
        limit, per = result.edition.yearly_quantity_milli, result.edition.yearly_per
        for key, share in extent.shares(candidate.local_day, result.quantity_milli):
            year = self._years[key]
            if not share.days.isdisjoint(year.days):
                day = min(share.days & year.days)
                return _taken(f"{day} of this {per} is credited already: a day counts once.")
            if limit is not None and year.quantity_milli + share.quantity_milli > limit:
                detail = (
                    f"{result.methodology} credits each {per} at most {_whole(limit)} "
                    f"{result.edition.quantity} a year; {_whole(year.quantity_milli)} of "
                    f"{key[2]} are taken."
                )
                return _Verdict("capped", 0, 0, 0, YEAR_PASSED, detail)
        return None

    def _taken_by(self, candidate: Candidate, covered: date) -> str | None:
        """The activity of the person that takes a day, if there is one that excludes this one."""
        person, activity = candidate.person_id, candidate.activity
        day = self.decided.days[candidate.bucket, person, covered, activity]
        if day.is_taken:
            return activity
        for rival in sorted(self._exclusions.in_day.get(activity, ())):
            if rival in day.rivals_in_day or covered in self._credited.get((person, rival), ()):
                return rival
        return None

    def _extend(
        self, candidate: Candidate, extent: Extent, result: Assessment, terms: _Terms
    ) -> None:
        """Keep the days that a credited action covers, and its share of its thing's year."""
        person, activity = candidate.person_id, candidate.activity
        for covered in extent.days:
            day = self.decided.days[candidate.bucket, person, covered, activity]
            day.is_taken = True
            if covered != candidate.local_day:
                day.is_covered = True
                day.ripens_at, day.lapses_at = terms.ripens_at, self._lapses_at(candidate, terms)
        self._credited.setdefault((person, activity), set()).update(extent.days)
        for key, share in extent.shares(candidate.local_day, result.quantity_milli):
            self._years[key].take(share)

    def _occupy(self, candidate: Candidate, day: DayState) -> None:
        """Keep the time and the periods that a credited action takes."""
        if candidate.leg is not None:
            day.new_legs.append(candidate.leg)
            self._legs.setdefault(candidate.person_id, []).append(candidate.leg)
        if candidate.activity in self._rivals:
            periods = self._credited.setdefault((candidate.person_id, candidate.activity), set())
            periods.update((candidate.local_day, candidate.month))

    def _terms_of(self, candidate: Candidate) -> _Terms:
        """Points of a late event ripen as if the action were of now, and lapse as long after.

        Late is what would be ripe when it is recorded: reporting late brings points no sooner.
        """
        key = (candidate.activity, candidate.local_day, candidate.utc_offset_min)
        found = self._terms.get(key)
        if found is None:
            rule = self._policy.rule(candidate.activity, candidate.local_day)
            ripens_at = rule.ripe_at(candidate.occurred_at)
            if ripens_at <= self._now:
                ripens_at = rule.ripe_at(self._now.astimezone(candidate.occurred_at.tzinfo))
            found = _Terms(rule, ripens_at, ripens_at + rule.lapses_after)
            if rule.is_by_day:
                self._terms[key] = found
        return found

    def _month(self, candidate: Candidate, day: DayState) -> list[int]:
        """[actions, points] of the month so far; days of one month share the list."""
        key = (candidate.person_id, candidate.activity, candidate.month)
        found = self._months.get(key)
        if found is None:
            found = self._months[key] = [day.month_actions, day.month_points]
        return found

    def _count(self, candidate: Candidate, result: Assessment, verdict: _Verdict) -> None:
        self._amounts_of(candidate, result).count(
            limited=is_limited(verdict.outcome, verdict.reason),
            gross_mg=result.gross_mg,
            avoided_mg=verdict.avoided_mg,
            uncertainty_mg=verdict.error_mg,
            points=verdict.points,
        )
        self.decided.counted[candidate.person_id] = candidate.bucket

    def _amounts_of(self, candidate: Candidate, result: Assessment) -> Amounts:
        """Return what the batch adds to a candidate's cell, so far."""
        # A plain tuple is looked up at a third of what making a cell costs for each event.
        key = (
            candidate.local_day,
            candidate.activity,
            result.methodology,
            candidate.partner,
            result.region,
            candidate.evidence_level,
            candidate.scope,
        )
        found = self._amounts.get(key)
        if found is None:
            found = self._amounts[key] = Amounts()
            cell = Cell.under(
                result.methodology,
                local_day=candidate.local_day,
                activity=candidate.activity,
                partner=candidate.partner,
                region=result.region,
                evidence_level=candidate.evidence_level,
                scope=candidate.scope,
            )
            self.decided.deltas[cell] = found
        return found

    def _record(
        self,
        candidate: Candidate,
        action_id: UUID,
        salt: bytes,
        verdict: _Verdict,
        ripens_at: datetime | None,
    ) -> Outcome:
        result = candidate.result
        methodology, gross_mg, quantity_milli = None, 0, 0
        if not isinstance(result, Refusal):
            methodology, gross_mg = result.methodology, result.gross_mg
            quantity_milli = result.quantity_milli
        row = ActionRow(
            *_stated(candidate),
            action_id=action_id,
            batch_id=self._batch_id,
            recorded_at=self._now,
            methodology=methodology,
            outcome=verdict.outcome,
            reason=verdict.reason,
            detail=verdict.detail,
            gross_mg=gross_mg,
            avoided_mg=verdict.avoided_mg,
            uncertainty_mg=verdict.error_mg,
            quantity_milli=quantity_milli,
            points=verdict.points,
            ripens_at=ripens_at,
            data=candidate.data.decode(),
            salt=salt,
        )
        outcome = outcome_of(row)
        decided = self.decided
        decided.rows.append(row)
        decided.outcomes.append(outcome)
        decided.leaves.append(leaf_of(outcome, gross_mg, salt))
        return outcome


def _whole(milli: int) -> str:
    return plain(Decimal(milli).scaleb(-3))


def _taken(detail: str) -> _Verdict:
    return _Verdict("capped", 0, 0, 0, "excluded_that_day", detail)


def half_width_mg(credited_mg: int, result: Assessment) -> int:
    """Half the width of the 95 percent interval of what is credited, rounded up."""
    return -(-credited_mg * result.u_permille // 1000)


def limit_passed(edition: Edition, result: Assessment, day: DayState) -> str | None:
    """The methodology's own daily limit that this action would pass, if any (by person)."""
    if edition.daily_actions is not None and day.actions + day.new_actions >= edition.daily_actions:
        return "methodology_actions_per_day"
    quantity = day.quantity_milli + day.new_quantity_milli + result.quantity_milli
    if edition.daily_quantity_milli is not None and quantity > edition.daily_quantity_milli:
        return "methodology_quantity_per_day"
    gross_mg = day.gross_mg + day.new_gross_mg + result.gross_mg
    if edition.daily_gross_mg is not None and gross_mg > edition.daily_gross_mg:
        return "methodology_gross_per_day"
    return None


def points_cap_text(cap: str, rule: Rule) -> str:
    """A sentence about why an action got fewer points, or none."""
    if cap == EVIDENCE:
        return f"Points need the evidence level {rule.evidence} or higher; carbon is counted."
    return f"The points' cap {cap} is reached; carbon is counted."


def limit_text(limit: str, edition: Edition) -> str:
    """A sentence about the limit that was passed."""
    values = {
        "methodology_actions_per_day": f"{edition.daily_actions} actions",
        "methodology_quantity_per_day": f"{edition.daily_quantity_milli} thousandths of a unit",
        "methodology_gross_per_day": f"{edition.daily_gross_mg} mg gross",
    }
    return f"{edition.reference} credits one person at most {values[limit]} a day."

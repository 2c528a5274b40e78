"""Policy: how credited grams become points, and the caps that hold them. Pure but for the load."""

from bisect import bisect_right
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

from service.points.policy_file import (
    DatedPolicy,
    DefaultFile,
    Gifts,
    LevelFile,
    NewAccounts,
    Ripens,
    RuleFile,
    read_policies,
)

POLICY_FILE = Path(__file__).with_name("policy.yaml")
MG_IN_G = 1000
NO_CAP = 2**62  # beyond any sum of points
DECLARED = "L0"
DECLARED_PER_DAY, DECLARED_PER_MONTH = "declared_points_per_day", "declared_points_per_month"
EVIDENCE = "evidence_level"  # the name that an award has when the evidence is too weak for it


@dataclass(frozen=True, slots=True)
class Rule:
    """The policy for one activity on one day. A cap that is not set is NO_CAP."""

    points_per_gram: int
    flat_points: int | None
    actions_per_day: int
    actions_per_month: int
    points_per_day: int
    points_per_month: int
    evidence: str
    ripens: Ripens
    lapses_after: timedelta

    def points_for(self, credited_mg: int) -> int:
        """Return points for one action before caps: the one rounding, down."""
        if self.flat_points is not None:
            return self.flat_points
        return credited_mg * self.points_per_gram // MG_IN_G

    def takes(self, level: str) -> bool:
        """Whether points are given at an evidence level."""
        return level >= self.evidence

    def ripe_at(self, acted_at: datetime) -> datetime:
        """When points of an action at the local time `acted_at` ripen."""
        ripens = self.ripens
        if ripens.days is None or ripens.at is None:
            return acted_at + timedelta(hours=ripens.after_h or 0)
        day = acted_at.date() + timedelta(days=ripens.days)
        return datetime.combine(day, ripens.at, acted_at.tzinfo)

    @property
    def is_by_day(self) -> bool:
        """Whether all actions of one local day and zone ripen at the same moment."""
        return self.ripens.days is not None


class Awarded(NamedTuple):
    """What one person was awarded so far for one activity, on the day and in its month."""

    day_actions: int = 0
    day_points: int = 0
    month_actions: int = 0
    month_points: int = 0


class Budget(NamedTuple):
    """What one person may still have of all actions of an evidence level together.

    `day` and `month` are the limits; `used_day` and `used_month` what they have.
    """

    day: int = NO_CAP
    month: int = NO_CAP
    used_day: int = 0
    used_month: int = 0


UNLIMITED = Budget()


class Award(NamedTuple):
    """Points for one action; `cap` names the cap that cut them, if one did, or EVIDENCE."""

    points: int
    cap: str | None


def award(
    rule: Rule, credited_mg: int, so_far: Awarded, *, level: str, budget: Budget = UNLIMITED
) -> Award:
    """Return the points of one action of an evidence level under the caps: never more than a cap
    or the level's budget leaves.

    Weak evidence is no news where the rule gives nothing anyway.
    """
    points = rule.points_for(credited_mg)
    if not rule.takes(level):
        return Award(0, EVIDENCE if points else None)
    return under_caps(rule, points, so_far, budget)


def under_caps(rule: Rule, points: int, so_far: Awarded, budget: Budget) -> Award:
    """Return what the caps and a budget leave of the points of one more action."""
    day_actions, day_points, month_actions, month_points = so_far
    cap = None
    for limit, used, name in (
        (rule.actions_per_day, day_actions, "actions_per_day"),
        (rule.actions_per_month, month_actions, "actions_per_month"),
    ):
        if used >= limit:
            return Award(0, name)
    for limit, used, name in (
        (rule.points_per_day, day_points, "points_per_day"),
        (rule.points_per_month, month_points, "points_per_month"),
        (budget.day, budget.used_day, DECLARED_PER_DAY),
        (budget.month, budget.used_month, DECLARED_PER_MONTH),
    ):
        if points and used + points > limit:
            points, cap = max(0, limit - used), name
    return Award(points, cap)


def is_declared(level: str) -> bool:
    """Whether a level is self-declared, so that its points have a budget over all activities."""
    return level == DECLARED


@dataclass(frozen=True, slots=True)
class InForce:
    """What stands from `start` on, up to and with `end`; None: until a later policy."""

    start: date
    end: date | None
    default: Rule
    activities: dict[str, Rule]
    gifts: Gifts
    declared: Budget = UNLIMITED
    new_accounts: NewAccounts | None = None


class Policy:
    """All dated policies; `rule` finds the one in force on a local day."""

    def __init__(self, dated: list[InForce]) -> None:
        self._starts = [one.start for one in dated]
        self._dated = dated

    def in_force(self, day: date) -> InForce:
        """Return the policy of a day; a day before the first policy has the first."""
        return self._dated[max(0, bisect_right(self._starts, day) - 1)]

    def rule(self, activity: str, day: date) -> Rule:
        """Return the rule for an activity on a day."""
        found = self.in_force(day)
        return found.activities.get(activity, found.default)


def today_of(policy: Policy, now: datetime) -> date:
    """Return the local day at `now` in the time zone in which the policy counts days."""
    return now.astimezone(ZoneInfo(policy.in_force(now.date()).gifts.zone)).date()


def load_policy(path: Path | None = None) -> Policy:
    """Read the dated policies, those that ship without a path. Raises PolicyInvalid."""
    dated = read_policies(path or POLICY_FILE)
    ends = [one.start - timedelta(days=1) for one in dated[1:]]
    return Policy([_in_force(one, end) for one, end in zip(dated, [*ends, None], strict=True)])


def _in_force(dated: DatedPolicy, end: date | None) -> InForce:
    return InForce(
        start=dated.start,
        end=end,
        default=_rule(RuleFile(), dated.default),
        activities={name: _rule(one, dated.default) for name, one in dated.activities.items()},
        gifts=dated.gifts,
        declared=_budget(dated.levels.get(DECLARED)),
        new_accounts=dated.new_accounts,
    )


def _budget(level: LevelFile | None) -> Budget:
    return UNLIMITED if level is None else Budget(level.points_per_day, level.points_per_month)


def _rule(own: RuleFile, default: DefaultFile) -> Rule:
    caps = own.caps or default.caps
    per_gram = default.points_per_gram if own.points_per_gram is None else own.points_per_gram
    return Rule(
        points_per_gram=per_gram,
        flat_points=own.flat_points,
        actions_per_day=caps.actions_per_day or NO_CAP,
        actions_per_month=caps.actions_per_month or NO_CAP,
        points_per_day=caps.points_per_day or NO_CAP,
        points_per_month=caps.points_per_month or NO_CAP,
        evidence=own.evidence or default.evidence,
        ripens=own.ripens or default.ripens,
        lapses_after=timedelta(hours=own.lapses_after_h or default.lapses_after_h),
    )

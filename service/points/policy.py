"""Policy: how credited grams become points, and the caps that hold them. Pure but for the load."""

from bisect import bisect_right
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, tzinfo
from pathlib import Path
from typing import NamedTuple

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

POLICY_FILE = Path(__file__).with_name("policy.yaml")
MG_IN_G = 1000
NO_CAP = 2**62  # beyond any sum of points


class Caps(BaseModel):
    """What one person may be awarded for one activity; None is no cap."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    actions_per_day: int | None = Field(None, ge=1)
    actions_per_month: int | None = Field(None, ge=1)
    points_per_day: int | None = Field(None, ge=1)
    points_per_month: int | None = Field(None, ge=1)


class Ripens(BaseModel):
    """When points may be collected: a local time, some days after the action's."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    days: int = Field(ge=0, le=60)
    at: time


class _RuleFile(BaseModel):
    model_config = ConfigDict(extra="forbid")
    points_per_gram: int | None = Field(None, ge=0)
    flat_points: int | None = Field(None, ge=0)
    caps: Caps | None = None
    ripens: Ripens | None = None
    lapses_after_h: int | None = Field(None, ge=1)


class _PolicyFile(BaseModel):
    model_config = ConfigDict(extra="forbid")
    start: date = Field(alias="from")
    default: _RuleFile
    activities: dict[str, _RuleFile]


@dataclass(frozen=True, slots=True)
class Rule:
    """The policy for one activity on one day. A cap that is not set is NO_CAP."""

    points_per_gram: int
    flat_points: int | None
    actions_per_day: int
    actions_per_month: int
    points_per_day: int
    points_per_month: int
    ripens: Ripens
    lapses_after: timedelta

    def points_for(self, credited_mg: int) -> int:
        """Points for one action before caps: the one rounding, down."""
        if self.flat_points is not None:
            return self.flat_points
        return credited_mg * self.points_per_gram // MG_IN_G

    def ripe_at(self, day: date, zone: tzinfo) -> datetime:
        """When points earned on the local `day` ripen."""
        return datetime.combine(day + timedelta(days=self.ripens.days), self.ripens.at, zone)


class Awarded(NamedTuple):
    """What one person was awarded so far for one activity, on the day and in its month."""

    day_actions: int = 0
    day_points: int = 0
    month_actions: int = 0
    month_points: int = 0


class Award(NamedTuple):
    """Points for one action; `cap` names the cap that cut them, if one did."""

    points: int
    cap: str | None


def award(rule: Rule, credited_mg: int, so_far: Awarded) -> Award:
    """The points of one action under the caps: never more than a cap leaves."""
    day_actions, day_points, month_actions, month_points = so_far
    for limit, used, name in (
        (rule.actions_per_day, day_actions, "actions_per_day"),
        (rule.actions_per_month, month_actions, "actions_per_month"),
    ):
        if used >= limit:
            return Award(0, name)
    points, cap = rule.points_for(credited_mg), None
    for limit, used, name in (
        (rule.points_per_day, day_points, "points_per_day"),
        (rule.points_per_month, month_points, "points_per_month"),
    ):
        if used + points > limit:
            points, cap = max(0, limit - used), name
    return Award(points, cap)


class Policy:
    """All dated policies; `rule` finds the one in force on a local day."""

    def __init__(self, starts: list[date], rules: list[tuple[Rule, dict[str, Rule]]]) -> None:
        self._starts = starts
        self._rules = rules

    def rule(self, activity: str, day: date) -> Rule:
        """The rule for an activity on a day; a day before the first policy has the first."""
        at = max(0, bisect_right(self._starts, day) - 1)
        default, named = self._rules[at]
        return named.get(activity, default)


def load_policy(path: Path = POLICY_FILE) -> Policy:
    """Read the dated policies. Raises pydantic's ValidationError naming the wrong field."""
    files = TypeAdapter(list[_PolicyFile]).validate_python(yaml.safe_load(path.read_text()))
    files.sort(key=lambda file: file.start)
    rules = []
    for file in files:
        default = _rule(file.default, file.default)
        named = {name: _rule(one, file.default) for name, one in file.activities.items()}
        rules.append((default, named))
    return Policy([file.start for file in files], rules)


def _rule(own: _RuleFile, default: _RuleFile) -> Rule:
    ripens = own.ripens or default.ripens
    lapses = own.lapses_after_h or default.lapses_after_h
    caps = own.caps or default.caps
    per_gram = default.points_per_gram if own.points_per_gram is None else own.points_per_gram
    if ripens is None or lapses is None or caps is None or per_gram is None:
        raise ValueError("a policy's default needs points_per_gram, caps, ripens, lapses_after_h")
    return Rule(
        points_per_gram=per_gram,
        flat_points=own.flat_points,
        actions_per_day=caps.actions_per_day or NO_CAP,
        actions_per_month=caps.actions_per_month or NO_CAP,
        points_per_day=caps.points_per_day or NO_CAP,
        points_per_month=caps.points_per_month or NO_CAP,
        ripens=ripens,
        lapses_after=timedelta(hours=lapses),
    )

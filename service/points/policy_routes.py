"""HTTP for the points policy: public, and the same for everybody."""

from typing import Annotated

from fastapi import APIRouter, Query

from service.http.dependencies import Now
from service.http.problems import documented
from service.http.times import Day
from service.points.dependencies import ThisPolicy
from service.points.policy import DECLARED, NO_CAP, UNLIMITED, Budget, Rule, today_of
from service.points.schemas import LevelRow, PolicyInForce, RuleRow
from service.points.wording import describe_rule

router = APIRouter(prefix="/v1/policies", tags=["People and points"], responses=documented(422))


OnDay = Annotated[Day | None, Query(description="A local day; default: today.")]


@router.get("")
async def policy_in_force(policy: ThisPolicy, now: Now, on: OnDay = None) -> PolicyInForce:
    """How grams become points on a day, and how points pass between friends."""
    found = policy.in_force(on or today_of(policy, now))
    return PolicyInForce(
        since=found.start,
        until=found.end,
        default=_row(found.default),
        activities={name: _row(rule) for name, rule in sorted(found.activities.items())},
        levels=_levels(found.declared),
        new_accounts=found.new_accounts,
        gifts=found.gifts,
    )


def _levels(declared: Budget) -> dict[str, LevelRow]:
    if declared == UNLIMITED:
        return {}
    return {DECLARED: LevelRow(points_per_day=declared.day, points_per_month=declared.month)}


def _row(rule: Rule) -> RuleRow:
    return RuleRow(
        points_per_gram=rule.points_per_gram,
        flat_points=rule.flat_points,
        actions_per_day=_cap(rule.actions_per_day),
        actions_per_month=_cap(rule.actions_per_month),
        points_per_day=_cap(rule.points_per_day),
        points_per_month=_cap(rule.points_per_month),
        evidence=rule.evidence,
        ripens_days=rule.ripens.days,
        ripens_at=rule.ripens.at.strftime("%H:%M") if rule.ripens.at else None,
        ripens_after_h=rule.ripens.after_h,
        lapses_after_h=int(rule.lapses_after.total_seconds()) // 3600,
        said=describe_rule(rule),
    )


def _cap(value: int) -> int | None:
    return None if value == NO_CAP else value

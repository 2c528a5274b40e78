"""Rules, caps and entries of points in words, for people to read. Pure."""

from typing import Any

from service.points.policy import DECLARED_PER_DAY, DECLARED_PER_MONTH, EVIDENCE, NO_CAP, Rule


def describe_rule(rule: Rule) -> str:
    """Return the rule in words."""
    ripens = rule.ripens
    if rule.flat_points is not None:
        text = f"{rule.flat_points} points for each action"
    else:
        text = f"{rule.points_per_gram} points for each full gram"
    caps = [
        f"at most {value} {what}"
        for value, what in (
            (rule.actions_per_day, "actions a day"),
            (rule.actions_per_month, "actions a month"),
            (rule.points_per_day, "points a day"),
            (rule.points_per_month, "points a month"),
        )
        if value != NO_CAP
    ]
    if ripens.at is not None:
        ripe = f"ripe at {ripens.at:%H:%M}, {ripens.days} days after the action's"
    else:
        ripe = f"ripe {ripens.after_h} hours after the action" if ripens.after_h else "ripe at once"
    lapse_h = int(rule.lapses_after.total_seconds()) // 3600
    return "; ".join([text, *caps, ripe, f"lapsing {lapse_h} hours later"]) + "."


def describe_cap(cap: str | None, rule: Rule) -> str | None:
    """Return why an action has fewer points than its grams would give, or None."""
    if cap is None:
        return None
    if cap == EVIDENCE:
        return f"Points need the evidence level {rule.evidence} or higher."
    if cap in (DECLARED_PER_DAY, DECLARED_PER_MONTH):
        span = "day" if cap == DECLARED_PER_DAY else "month"
        return f"The budget of a {span} for what people declare themselves was reached."
    if cap.startswith("methodology_"):
        return "The methodology credits no more than this for one day."
    return f"The cap {cap} of {getattr(rule, cap)} was reached."


def describe_entry(kind: str, ref: dict[str, Any]) -> str:
    """Return what an entry was for, in words."""
    known = {
        "collect": "Ripe points were collected.",
        "gift": "Watering: points passed between friends.",
        "take": "Taken from what a friend had ripe.",
        "reversal": "Points of an action that was undone were taken back.",
        "debt": "Points of an action that was undone were spent already: a debt.",
        "refund": "Points that were spent came back.",
        "spend": "Points were spent.",
        "grant": "Points were granted.",
    }
    text = known.get(kind, f"Entry of the kind {kind}.")
    reason = ref.get("reason")
    return f"{text} {reason}" if isinstance(reason, str) else text

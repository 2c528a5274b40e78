"""Use case: what would these events give? Nothing is recorded and nobody's caps are read."""

from datetime import datetime

from methodologies.contract import Refusal
from service.errors import ServiceError
from service.http.problems import problem_of
from service.intake.candidate import Assessor
from service.intake.decide import points_cap_text
from service.intake.event import CloudEvent, InvalidEvent
from service.partners.caller import Caller
from service.points.policy import EVIDENCE, Policy


def estimate_event(
    event: CloudEvent | InvalidEvent,
    caller: Caller,
    *,
    assessor: Assessor,
    policy: Policy,
    now: datetime,
) -> dict[str, object]:
    """Return one event's estimate, ready for JSON.

    Raises whatever reporting the event at `now` would raise. An event that is too old to be
    credited is estimated all the same: any day of the programme up to now may be asked about.
    """
    if isinstance(event, InvalidEvent):
        raise event.error
    checked = assessor.check(event, caller, now)
    region, level, data = checked.region, checked.level, checked.data
    result = assessor.assess(event, region, level, data)
    answer: dict[str, object] = {"source": event.source, "id": event.id, "explanation": None}
    if isinstance(result, Refusal):
        return {
            **answer,
            "outcome": "refused",
            "reason": result.reason,
            "detail": result.detail,
            "methodology": None,
            "gross_mg": "0",
            "avoided_mg": "0",
            "points": 0,
        }
    day = event.time.date()
    explanation = assessor.catalogue.explain(
        event.type,
        region=region,
        day=day,
        level=level,
        data=data,
        version=result.edition.version,
    )
    rule = policy.rule(event.type, day)
    points = rule.points_for(result.credited_mg)
    is_weak = points > 0 and not rule.takes(level)
    return {
        **answer,
        "outcome": "credited" if result.credited_mg else "zero",
        "reason": EVIDENCE if is_weak else None,
        "detail": points_cap_text(EVIDENCE, rule) if is_weak else None,
        "methodology": result.methodology,
        "gross_mg": str(result.gross_mg),
        "avoided_mg": str(result.credited_mg),
        "points": 0 if is_weak else points,
        "explanation": explanation.as_dict(),
    }


def estimate_batch(
    events: list[CloudEvent | InvalidEvent],
    caller: Caller,
    *,
    assessor: Assessor,
    policy: Policy,
    now: datetime,
) -> list[dict[str, object]]:
    """Estimates in the order sent; a bad event has its own problem."""
    results = []
    for event in events:
        try:
            results.append(estimate_event(event, caller, assessor=assessor, policy=policy, now=now))
        except ServiceError as error:
            results.append({"source": event.source, "id": event.id, "problem": problem_of(error)})
    return results

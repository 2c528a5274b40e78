"""Use case: what would these events give? Nothing is recorded and nobody's caps are read."""

from methodologies.contract import Refusal
from service.errors import ServiceError
from service.http.problems import problem_of
from service.intake.candidate import Assessor, split_region
from service.intake.event import CloudEvent, InvalidEvent
from service.partners.caller import Caller
from service.points.policy import Policy


def estimate_event(
    event: CloudEvent | InvalidEvent, caller: Caller, *, assessor: Assessor, policy: Policy
) -> dict[str, object]:
    """Return one event's estimate, ready for JSON.

    Raises what reporting it would raise, but for its time: any day of the programme is estimated.
    """
    if isinstance(event, InvalidEvent):
        raise event.error
    caller.check_source(event.source)
    level = event.evidencelevel or caller.default_level
    caller.check_level(level)
    region, data = split_region(event)
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
    return {
        **answer,
        "outcome": "credited" if result.credited_mg else "zero",
        "reason": None,
        "detail": None,
        "methodology": result.methodology,
        "gross_mg": str(result.gross_mg),
        "avoided_mg": str(result.credited_mg),
        "points": policy.rule(event.type, day).points_for(result.credited_mg),
        "explanation": explanation.as_dict(),
    }


def estimate_batch(
    events: list[CloudEvent | InvalidEvent], caller: Caller, *, assessor: Assessor, policy: Policy
) -> list[dict[str, object]]:
    """Estimates in the order sent; a bad event has its own problem."""
    results = []
    for event in events:
        try:
            results.append(estimate_event(event, caller, assessor=assessor, policy=policy))
        except ServiceError as error:
            results.append({"source": event.source, "id": event.id, "problem": problem_of(error)})
    return results

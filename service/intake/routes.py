"""HTTP for events: parse, call one use case, answer. No SQL, no rules."""

from collections import Counter
from typing import Any

import orjson
from fastapi import APIRouter, Request, Response

from service.http.dependencies import whole_body
from service.http.problems import documented, problem_of
from service.http.quota import REQUEST_COST
from service.http.runtime import HttpRuntime, runtime_of
from service.intake.dependencies import ThisIntake, intake_of
from service.intake.estimate import estimate_batch, estimate_event
from service.intake.event import BATCHED, PLAIN, STRUCTURED, CloudEvent, Parsed, parse
from service.intake.report import Rejected, Result
from service.intake.schemas import (
    BatchResult,
    EstimateBatch,
    EstimateResult,
    EventResult,
)
from service.partners.caller import Caller
from service.partners.dependencies import (
    caller_of,
    charge,
)
from service.points.dependencies import ThisPolicy

router = APIRouter(prefix="/v1", responses=documented(401, 403, 422, 503))

_JSON = "application/json"
_EVENT: dict[str, Any] = {"$ref": "#/components/schemas/CloudEvent"}
_EVENTS: dict[str, Any] = {"type": "array", "maxItems": 1000, "items": _EVENT}
EVENT_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "CloudEvents 1.0: structured, batch, binary (`ce-` headers), or plain JSON.",
        "content": {
            STRUCTURED: {"schema": _EVENT},
            BATCHED: {"schema": _EVENTS},
            PLAIN: {"schema": {"oneOf": [_EVENT, _EVENTS]}},
        },
    }
}


async def received(request: Request) -> tuple[Caller, Parsed]:
    """Return the caller and the events in the body, which is not read of who may not report.

    Called by the routes of events themselves: as dependencies, its parts would cost a phone's
    single event more than parsing and assessing it.
    """
    caller = await caller_of(request)
    caller.need("events:write")
    body = await whole_body(request)
    parsed = parse(request.headers.get("content-type", ""), request.headers, body)
    await charge(request, caller, len(parsed.events) - REQUEST_COST)
    return caller, parsed


@router.post(
    "/events",
    tags=["Events"],
    response_model=EventResult,
    status_code=201,
    responses={
        200: {"model": EventResult | BatchResult, "description": "A duplicate, or a batch."},
        **documented(400, 409, 410, 413, 415),
    },
    openapi_extra=EVENT_BODY,
)
async def report_events(request: Request) -> Response:
    """Report what people did. The answer is final: it comes after the commit that keeps it."""
    intake = await intake_of(request)
    intake.need_room()
    caller, parsed = await received(request)
    results = await intake.report(parsed.events, caller)
    counts = Counter(map(_name, results))
    runtime_of(request.app, HttpRuntime).metrics.answered(counts)
    return _batch(results, counts) if parsed.is_batch else _single(results[0])


def _name(result: Result) -> str:
    """Return the word under which a result is counted."""
    if isinstance(result, Rejected):
        return "problem"
    return "duplicate" if result.duplicate else result.outcome.outcome


def _single(result: Result) -> Response:
    if isinstance(result, Rejected):
        raise result.error
    status = 200 if result.duplicate else 201
    return Response(
        orjson.dumps(result.outcome.wire(duplicate=result.duplicate)), status, media_type=_JSON
    )


def _batch(results: list[Result], counts: Counter[str]) -> Response:
    rows: list[dict[str, object]] = []
    for result in results:
        if isinstance(result, Rejected):
            problem = problem_of(result.error)
            rows.append({"source": result.source, "id": result.id, "problem": problem})
        else:
            rows.append(result.outcome.wire(duplicate=result.duplicate))
    return Response(orjson.dumps({"results": rows, "counts": counts}), media_type=_JSON)


@router.post(
    "/estimates",
    tags=["Events"],
    response_model=EstimateResult | EstimateBatch,
    responses=documented(400, 413, 415),
    openapi_extra=EVENT_BODY,
)
async def estimate(request: Request, intake: ThisIntake, policy: ThisPolicy) -> Response:
    """What these events would give. Nothing is recorded; any day of the programme up to now."""
    caller, parsed = await received(request)
    assessor, now = intake.assessor, intake.clock()
    answer: object
    if parsed.is_batch:
        results = estimate_batch(parsed.events, caller, assessor=assessor, policy=policy, now=now)
        answer = {"results": results}
    else:
        answer = estimate_event(parsed.events[0], caller, assessor=assessor, policy=policy, now=now)
    return Response(orjson.dumps(answer), media_type=_JSON)


def event_schema() -> dict[str, Any]:
    """Return the JSON Schema of an event, for the OpenAPI document."""
    return CloudEvent.model_json_schema(ref_template="#/components/schemas/{model}")

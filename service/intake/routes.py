"""HTTP for events and actions: parse, call one use case, answer. No SQL, no rules."""

from collections import Counter
from typing import Annotated, Any, cast
from uuid import UUID

import orjson
from fastapi import APIRouter, Depends, Request, Response

from service.http.dependencies import Now, Transaction, limited_body
from service.http.metrics import Metrics
from service.http.pages import PAGE_DEFAULT, Cursor, Limit, Page, page_of, read_cursor
from service.http.problems import documented, problem_of
from service.http.quota import REQUEST_COST
from service.intake import read
from service.intake.estimate import estimate_batch, estimate_event
from service.intake.event import BATCHED, PLAIN, STRUCTURED, CloudEvent, Parsed, parse
from service.intake.outcome import local_text
from service.intake.receipt import explain_action, now_of, receipt_of
from service.intake.report import Intake, Rejected, Result
from service.intake.reverse import reverse_action
from service.intake.schemas import (
    ActionRow,
    BatchResult,
    Carbon,
    CarbonOfActivity,
    EstimateBatch,
    EstimateResult,
    EventResult,
    PersonStatement,
    PersonTrees,
    ReversalOfAction,
    ReversalRequest,
    ReversalResult,
    TransferOfAction,
    TransferRequest,
    TransferResult,
)
from service.intake.transfer import transfer_action
from service.partners.caller import Caller
from service.partners.dependencies import (
    Idempotent,
    ThisCaller,
    ThisHasher,
    ThisPerson,
    caller_of,
    charge,
)
from service.points import store as points
from service.points.policy import Policy
from service.points.schemas import Points

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


async def intake_of(request: Request) -> Intake:
    """This process's intake."""
    return cast("Intake", request.app.state.intake)


async def policy_of(request: Request) -> Policy:
    """The points policy in force in this process."""
    return cast("Policy", request.app.state.policy)


ThisIntake = Annotated[Intake, Depends(intake_of)]
ThisPolicy = Annotated[Policy, Depends(policy_of)]


async def received(request: Request) -> tuple[Caller, Parsed]:
    """Who sends, and the events in the body; the body of somebody unknown is not read.

    Called by the routes of events themselves: as dependencies, its parts would cost a phone's
    single event more than parsing and assessing it.
    """
    caller = await caller_of(request)
    body = await limited_body(request, request.app.state.resources.settings.body_bytes)
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
        **documented(400, 409, 413, 415),
    },
    openapi_extra=EVENT_BODY,
)
async def report_events(request: Request) -> Response:
    """Report what people did. The answer is final: it comes after the commit that keeps it."""
    intake = cast("Intake", request.app.state.intake)
    intake.need_room()
    caller, parsed = await received(request)
    results = await intake.report(parsed.events, caller)
    counts = Counter(map(_name, results))
    cast("Metrics", request.app.state.metrics).answered(counts)
    return _batch(results, counts) if parsed.is_batch else _single(results[0])


def _name(result: Result) -> str:
    """The word under which a result is counted."""
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
    """What these events would give. Nothing is recorded; any day of the programme."""
    caller, parsed = await received(request)
    assessor = intake.assessor
    answer: object
    if parsed.is_batch:
        answer = {
            "results": estimate_batch(parsed.events, caller, assessor=assessor, policy=policy)
        }
    else:
        answer = estimate_event(parsed.events[0], caller, assessor=assessor, policy=policy)
    return Response(orjson.dumps(answer), media_type=_JSON)


@router.get("/actions/{action_id}", tags=["Actions"], responses=documented(404))
async def action(
    action_id: UUID, caller: ThisCaller, hasher: ThisHasher, session: Transaction
) -> ActionRow:
    """An action as recorded."""
    caller.need("actions:read")
    return _row(await read.find_action(session, action_id, caller, hasher))


@router.get("/actions/{action_id}/receipt", tags=["Actions"], responses=documented(404))
async def receipt(
    action_id: UUID,
    caller: ThisCaller,
    hasher: ThisHasher,
    session: Transaction,
    intake: ThisIntake,
) -> dict[str, Any]:
    """The sum behind an action: inputs, factors with sources, each line, digests."""
    caller.need("actions:read")
    found = await read.find_action(session, action_id, caller, hasher)
    return receipt_of(intake.assessor.catalogue, found)


@router.post(
    "/actions/{action_id}/reversal",
    tags=["Actions"],
    status_code=201,
    response_model=ReversalResult,
    responses={
        200: {"model": ReversalResult, "description": "It was reversed before."},
        **documented(400, 404, 409, 413),
    },
)
async def reverse(
    action_id: UUID,
    why: ReversalRequest,
    caller: ThisCaller,
    hasher: ThisHasher,
    session: Transaction,
    intake: ThisIntake,
    now: Now,
    idempotent: Idempotent,
) -> Response:
    """Undo an action. Carbon is taken back always, points by policy; a planted tree stays."""
    caller.need("events:write")
    found = await read.find_action(session, action_id, caller, hasher)
    caller.check_reported(found["source"])
    explanation = explain_action(intake.assessor.catalogue, found)
    region = "" if explanation is None or explanation.region is None else explanation.region
    status = 200

    async def write() -> ReversalResult:
        nonlocal status
        done = await reverse_action(session, found, region=region, reason=why.reason, now=now)
        status = 200 if done.replayed else 201
        return ReversalResult(
            action_id=action_id,
            reason=done.reason,
            avoided_mg=str(done.avoided_mg),
            points=done.points,
            from_earning=done.from_earning,
            from_balance=done.from_balance,
            as_debt=done.as_debt,
            recorded_at=done.recorded_at,
        )

    answer = await idempotent(write, "reversal", action_id, why)
    answer.status_code = status
    return answer


@router.post(
    "/actions/{action_id}/transfer",
    tags=["Actions"],
    status_code=201,
    response_model=TransferResult,
    responses={
        200: {"model": TransferResult, "description": "It was transferred before."},
        **documented(400, 404, 409, 413),
    },
)
async def transfer(
    action_id: UUID,
    to: TransferRequest,
    caller: ThisCaller,
    hasher: ThisHasher,
    session: Transaction,
    intake: ThisIntake,
    now: Now,
    idempotent: Idempotent,
) -> Response:
    """Say that another scheme sold or credited an action's carbon: it leaves the total."""
    caller.need_key()
    caller.need("events:write")
    found = await read.find_action(session, action_id, caller, hasher)
    explanation = explain_action(intake.assessor.catalogue, found)
    region = "" if explanation is None or explanation.region is None else explanation.region
    status = 200

    async def write() -> TransferResult:
        nonlocal status
        done = await transfer_action(
            session,
            found,
            region=region,
            scheme=to.scheme,
            reference=to.reference,
            partner=caller.partner,
            now=now,
        )
        status = 200 if done.replayed else 201
        return TransferResult(
            action_id=action_id,
            avoided_mg=str(done.avoided_mg),
            scheme=done.scheme,
            reference=done.reference,
            recorded_at=done.recorded_at,
        )

    answer = await idempotent(write, "transfer", action_id, to)
    answer.status_code = status
    return answer


@router.get("/people/{subject}", tags=["People and points"])
async def statement(person: ThisPerson, session: Transaction, now: Now) -> PersonStatement:
    """A person's points, estimated avoided emissions and trees, kept apart."""
    sums = await points.points_of(session, person, now)
    balance = await points.balance_of(session, person)
    carbon = await read.carbon_of(session, person)
    own, shared = await read.trees_of(session, person)
    return PersonStatement(
        points=Points(balance=max(0, balance), debt=max(0, -balance), **sums),
        carbon=Carbon(
            avoided_mg=str(sum(row["avoided_mg"] for row in carbon)),
            actions=sum(row["actions"] for row in carbon),
            by_activity=[
                CarbonOfActivity(
                    activity=row["activity"],
                    actions=row["actions"],
                    avoided_mg=str(row["avoided_mg"]),
                )
                for row in carbon
            ],
        ),
        trees=PersonTrees(**own),
        shared_trees=PersonTrees(**shared),
    )


@router.get("/people/{subject}/actions", tags=["People and points"])
async def actions(
    person: ThisPerson,
    caller: ThisCaller,
    session: Transaction,
    limit: Limit = PAGE_DEFAULT,
    cursor: Cursor = None,
) -> Page[ActionRow]:
    """A person's actions, newest first; a partner sees those of its own sources."""
    last = UUID(int=2**128 - 1)
    before = read_cursor(cursor, lambda parts: UUID(parts[0]), last)
    rows = await read.actions_before(session, person, caller, before=before, limit=limit + 1)
    return page_of([_row(row) for row in rows], limit, lambda row: (row.action_id,))


def _row(row: Any) -> ActionRow:
    reversal = None
    if row["reversal_reason"] is not None:
        reversal = ReversalOfAction(
            reason=row["reversal_reason"],
            recorded_at=row["reversed_at"],
            points=row["reversed_points"],
        )
    transfer = None
    if row["transfer_scheme"] is not None:
        transfer = TransferOfAction(
            scheme=row["transfer_scheme"],
            reference=row["transfer_reference"],
            recorded_at=row["transferred_at"],
        )
    offset = row["utc_offset_min"]
    restatements = row["restatements"] or []
    return ActionRow.model_validate(
        {
            **{name: row[name] for name in ActionRow.model_fields if name in row},
            "id": row["event_id"],
            "occurred_at": local_text(row["occurred_at"], offset),
            "ripens_at": local_text(row["ripens_at"], offset),
            "gross_mg": str(row["gross_mg"]),
            "avoided_mg": str(row["avoided_mg"]),
            "transfer": transfer,
            "now": now_of(row),
            "restatements": restatements,
            "reversal": reversal,
        }
    )


def event_schema() -> dict[str, Any]:
    """The JSON Schema of an event, for the OpenAPI document."""
    return CloudEvent.model_json_schema(ref_template="#/components/schemas/{model}")

"""HTTP for recorded actions: parse, call one use case, answer. No SQL, no rules."""

from typing import Any
from uuid import UUID

from fastapi import APIRouter, Response

from service.actions import read
from service.actions.receipt import counted_region, now_of, receipt_of
from service.actions.reverse import reverse_action
from service.actions.schemas import (
    ActionRow,
    ReversalOfAction,
    ReversalRequest,
    ReversalResult,
    TransferOfAction,
    TransferRequest,
    TransferResult,
)
from service.actions.transfer import transfer_action
from service.http.dependencies import Now, Transaction
from service.http.pages import PAGE_DEFAULT, Cursor, Limit, Page, page_of, read_cursor
from service.http.problems import documented
from service.intake.dependencies import ThisIntake
from service.intake.outcome import local_text
from service.partners.dependencies import Idempotent, ThisCaller, ThisHasher, ThisPerson

router = APIRouter(prefix="/v1", responses=documented(401, 403, 422, 503))


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
    region = counted_region(intake.assessor.catalogue, found)
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
    region = counted_region(intake.assessor.catalogue, found)
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

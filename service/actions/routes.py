"""HTTP for recorded actions: parse, call one use case, answer. No SQL, no rules."""

from typing import Any
from uuid import UUID

from fastapi import APIRouter, Response
from sqlalchemy import RowMapping

from service.actions import read
from service.actions.receipt import counted_region, now_of, receipt_of
from service.actions.reverse import reverse_action
from service.actions.schemas import (
    ActionRow,
    CorroborationOfAction,
    ReversalOfAction,
    ReversalRequest,
    ReversalResult,
    TransferOfAction,
    TransferRequest,
    TransferResult,
)
from service.actions.transfer import transfer_action
from service.audit.record import audit
from service.errors import NotReporter
from service.http.dependencies import AppResources, Now, Transaction
from service.http.pages import Page, Paging, newest_first
from service.http.problems import documented
from service.intake.dependencies import ThisIntake
from service.intake.outcome import local_text
from service.partners.caller import ACT
from service.partners.dependencies import ThisCaller, ThisHasher, ThisReported
from service.partners.idempotent import idempotent

router = APIRouter(prefix="/v1", responses=documented(401, 403, 422, 503))


@router.get("/actions/{action_id}", tags=["Actions"], responses=documented(404, 410))
async def action(
    action_id: UUID, caller: ThisCaller, hasher: ThisHasher, session: Transaction
) -> ActionRow:
    """An action as recorded."""
    caller.need("actions:read", "auditor")
    return _row(await read.find_action(session, action_id, caller, hasher))


@router.get("/actions/{action_id}/receipt", tags=["Actions"], responses=documented(404, 410))
async def receipt(
    action_id: UUID,
    caller: ThisCaller,
    hasher: ThisHasher,
    session: Transaction,
    intake: ThisIntake,
) -> dict[str, Any]:
    """The sum behind an action: inputs, factors with sources, each line, digests."""
    caller.need("actions:read", "auditor")
    found = await read.find_action(session, action_id, caller, hasher)
    return receipt_of(intake.assessor.catalogue, found)


async def _reversible(
    action_id: UUID,
    caller: ThisCaller,
    hasher: ThisHasher,
    session: Transaction,
    resources: AppResources,
) -> RowMapping:
    """The action in the path, if the caller reported it, or for an operator its person did."""
    caller.need("events:write")
    found = await read.find_action(session, action_id, caller, hasher)
    by_person = found["partner"] == resources.settings.app_source
    if found["partner"] != caller.partner and not (by_person and caller.may(ACT)):
        raise NotReporter(
            "Somebody else reported this action: only they undo it. A person's own report is "
            "undone by the person, or by the app's operator."
        )
    return found


@router.post(
    "/actions/{action_id}/reversal",
    tags=["Actions"],
    status_code=201,
    responses={
        200: {"model": ReversalResult, "description": "It was reversed before."},
        **documented(400, 404, 409, 410, 413),
    },
)
@idempotent("reversal", "{action_id}", "{why}", repeated_status=200, found=_reversible)
async def reverse(
    action_id: UUID,
    why: ReversalRequest,
    found: RowMapping,
    caller: ThisCaller,
    session: Transaction,
    intake: ThisIntake,
    now: Now,
    response: Response,
) -> ReversalResult:
    """Undo an action. Carbon is taken back always, points by policy; a planted tree stays."""
    region = counted_region(intake.assessor.catalogue, found)
    done = await reverse_action(session, found, region=region, reason=why.reason, now=now)
    response.status_code = 200 if done.replayed else 201
    if caller.subject is None and not done.replayed:
        after = {"reason": done.reason, "avoided_mg": done.avoided_mg, "points": done.points}
        await audit(session, "action.reversed", f"action:{action_id}", after=after, now=now)
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


async def _transferable(
    action_id: UUID, caller: ThisCaller, hasher: ThisHasher, session: Transaction
) -> RowMapping:
    """The action in the path, for the partner that reported it."""
    caller.need_key()
    caller.need("events:write")
    found = await read.find_action(session, action_id, caller, hasher)
    if found["partner"] != caller.partner:
        raise NotReporter("Somebody else reported this action: only they say so.")
    return found


@router.post(
    "/actions/{action_id}/transfer",
    tags=["Actions"],
    status_code=201,
    responses={
        200: {"model": TransferResult, "description": "It was transferred before."},
        **documented(400, 404, 409, 410, 413),
    },
)
@idempotent("transfer", "{action_id}", "{to}", repeated_status=200, found=_transferable)
async def transfer(
    action_id: UUID,
    to: TransferRequest,
    found: RowMapping,
    caller: ThisCaller,
    session: Transaction,
    intake: ThisIntake,
    now: Now,
    response: Response,
) -> TransferResult:
    """Say that another scheme sold or credited an action's carbon: it leaves the total."""
    done = await transfer_action(
        session,
        found,
        region=counted_region(intake.assessor.catalogue, found),
        scheme=to.scheme,
        reference=to.reference,
        partner=caller.partner,
        now=now,
    )
    response.status_code = 200 if done.replayed else 201
    if not done.replayed:
        after = {"scheme": done.scheme, "reference": done.reference}
        await audit(session, "action.transferred", f"action:{action_id}", after=after, now=now)
    return TransferResult(
        action_id=action_id,
        avoided_mg=str(done.avoided_mg),
        scheme=done.scheme,
        reference=done.reference,
        recorded_at=done.recorded_at,
    )


@router.get("/people/{subject}/actions", tags=["People and points"])
async def actions(
    whose: ThisReported,
    caller: ThisCaller,
    session: Transaction,
    page: Paging,
) -> Page[ActionRow]:
    """A person's actions, newest first; a partner sees those of its own sources.

    A partner with customers of its own reads what it reported about one of them: `actions:read`.
    """
    return await page.of(
        newest_first("action_id"),
        lambda before, limit: read.actions_before(
            session, whose, caller, before=before, limit=limit
        ),
        _row,
    )


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
    corroboration = None
    if row["corroborated_by"] is not None:
        corroboration = CorroborationOfAction(
            action_id=row["corroborated_by"], first=row["is_corroborated"]
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
            "corroboration": corroboration,
            "now": now_of(row),
            "restatements": restatements,
            "reversal": reversal,
        }
    )

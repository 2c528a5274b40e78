"""HTTP for restatements and shadow runs: for operators and auditors."""

from decimal import Decimal
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query
from sqlalchemy import RowMapping

from service.errors import RunNotFound
from service.http.dependencies import Transaction
from service.http.pages import Page, Paging, newest_first
from service.http.problems import documented
from service.partners.dependencies import ThisCaller
from service.restate import store
from service.restate.compare import PPM, read_comparisons
from service.restate.effect import read_effect
from service.restate.restate import KIND as RESTATEMENT
from service.restate.schemas import RunRow

router = APIRouter(
    prefix="/v1/methodology-runs",
    tags=["Methodologies"],
    responses=documented(401, 403, 422, 503),
)


@router.get("")
async def runs(
    caller: ThisCaller,
    session: Transaction,
    page: Paging,
    kind: Annotated[Literal["restatement", "shadow"] | None, Query()] = None,
) -> Page[RunRow]:
    """Restatements and shadow runs, newest first, each with what it found."""
    caller.need("operator", "auditor")
    return await page.of(
        newest_first("run_id"),
        lambda before, limit: store.runs_before(session, before=before, kind=kind, limit=limit),
        _row,
    )


@router.get("/{run_id}", responses=documented(404))
async def run(run_id: UUID, caller: ThisCaller, session: Transaction) -> RunRow:
    """One restatement or shadow run."""
    caller.need("operator", "auditor")
    found = await store.find_run(session, run_id)
    if found is None:
        raise RunNotFound(f"There is no run {run_id}. GET /v1/methodology-runs lists them.")
    return _row(found)


def _row(run: RowMapping) -> RunRow:
    is_restatement = run["kind"] == RESTATEMENT
    read = read_effect if is_restatement else read_comparisons
    return RunRow(
        **{name: run[name] for name in RunRow.model_fields if name not in ("sample", "result")},
        sample=format((Decimal(run["sample_ppm"]) / PPM).normalize(), "f"),
        result=read(run["result"]).report(),
    )

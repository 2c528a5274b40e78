"""HTTP for operators and planting partners: catalogue, lots, reports, liability. Scope operator."""

from typing import Annotated, Literal, cast

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel

from service.errors import UnsupportedType
from service.forest import store
from service.forest.catalogue import list_species
from service.forest.certificate import view_of_lot, whole_lot
from service.forest.changes import (
    ADD_PROJECT,
    ADD_SPECIES,
    CHANGE_PROJECT,
    CHANGE_SPECIES,
    ProjectBody,
    ProjectSaved,
    SpeciesBody,
    needs_two,
)
from service.forest.liability import liability_of
from service.forest.plant import Line, fund_lot, record_reports
from service.forest.port import PORTS, report_of
from service.forest.schemas import (
    Imported,
    LiabilityView,
    LotView,
    LotWhole,
    NewProject,
    NewReport,
    NewSpecies,
    ProjectChanges,
    SpeciesChanges,
    SpeciesView,
)
from service.http.dependencies import AppResources, Now, Transaction, whole_body
from service.http.pages import Page, Paging, by_name
from service.http.problems import documented
from service.partners.caller import Caller
from service.partners.dependencies import ThisCaller
from service.partners.idempotent import idempotent
from service.partners.proposing import WITH_PROPOSAL, ThisProposing, answers_202
from service.partners.schemas import Proposed

MEDIA = {"text/csv": "csv", "application/json": "json"}


async def operator_of(caller: ThisCaller) -> Caller:
    """Return the caller, who must hold the scope operator. Raises ScopeMissing."""
    caller.need("operator")
    return caller


Operator = Annotated[Caller, Depends(operator_of)]
router = APIRouter(
    prefix="/v1/admin",
    tags=["Forest administration"],
    responses=documented(401, 403, 404, 422, 503),
)


class SpeciesList(BaseModel):
    """All species; there are few, so the list has one page."""

    data: list[SpeciesView]
    next_cursor: str | None


@router.get("/species")
async def all_species(operator: Operator, session: Transaction) -> SpeciesList:
    """Every species, by id."""
    rows = await list_species(session)
    return SpeciesList(data=[SpeciesView(**row.model_dump()) for row in rows], next_cursor=None)


@router.post("/species", status_code=201, responses=WITH_PROPOSAL | documented(409))
@answers_202
@idempotent("species", "{body}")
async def new_species(
    body: NewSpecies, operator: Operator, session: Transaction, proposing: ThisProposing
) -> SpeciesView | Proposed:
    """Add a species. Its price needs a second person."""
    return cast("SpeciesView | Proposed", await proposing.make(session, ADD_SPECIES, body))


@router.patch("/species/{species}", responses=WITH_PROPOSAL)
@answers_202
@idempotent("species {species}", "{body}")
async def changed_species(
    species: str,
    body: SpeciesChanges,
    operator: Operator,
    session: Transaction,
    proposing: ThisProposing,
    now: Now,
) -> SpeciesView | Proposed:
    """Change a species; a price needs a second person. A new price holds for projects that are
    added from now on.
    """
    wanted = SpeciesBody(species=species, changes=body)
    if needs_two(body):
        done = await proposing.make(session, CHANGE_SPECIES, wanted)
    else:
        done = await CHANGE_SPECIES.make(session, wanted, operator.partner, now)
    return cast("SpeciesView | Proposed", done)


@router.post("/projects", status_code=201, responses=WITH_PROPOSAL | documented(409))
@answers_202
@idempotent("project", "{body}")
async def new_project(
    body: NewProject, operator: Operator, session: Transaction, proposing: ThisProposing
) -> ProjectSaved | Proposed:
    """Put trees on offer; price and stock need a second person. Its first lot is opened with it."""
    return cast("ProjectSaved | Proposed", await proposing.make(session, ADD_PROJECT, body))


@router.patch("/projects/{project_id}", responses=WITH_PROPOSAL)
@answers_202
@idempotent("project {project_id}", "{body}")
async def changed_project(
    project_id: str,
    body: ProjectChanges,
    operator: Operator,
    session: Transaction,
    proposing: ThisProposing,
    now: Now,
) -> ProjectSaved | Proposed:
    """Change a project: open or close it, its season, price, stock or budget; price and stock need
    a second person.
    """
    wanted = ProjectBody(project_id=project_id, changes=body)
    if needs_two(body):
        done = await proposing.make(session, CHANGE_PROJECT, wanted)
    else:
        done = await CHANGE_PROJECT.make(session, wanted, operator.partner, now)
    return cast("ProjectSaved | Proposed", done)


@router.get("/lots")
async def lots(
    operator: Operator,
    session: Transaction,
    page: Paging,
    project_id: Annotated[str | None, Query(max_length=64)] = None,
    state: Annotated[str | None, Query(max_length=16)] = None,
) -> Page[LotView]:
    """Lots by id, of one project or in one state."""
    return await page.of(
        by_name("lot"),
        lambda after, limit: store.lots_after(
            session, project=project_id, state=state, after=after, limit=limit
        ),
        view_of_lot,
    )


@router.get(
    "/lots/export",
    response_class=Response,
    responses={
        200: {
            "content": {
                "text/csv": {"schema": {"type": "string"}},
                "application/json": {
                    "schema": {
                        "type": "object",
                        "required": ["lots"],
                        "properties": {"lots": {"type": "array", "items": {"type": "object"}}},
                    }
                },
            }
        }
    },
)
async def export(
    operator: Operator,
    session: Transaction,
    form: Annotated[Literal["csv", "json"], Query(alias="format")] = "csv",
    planting_partner: Annotated[str | None, Query(max_length=120)] = None,
) -> Response:
    """Every funded lot for its planting partner, with columns for the next report."""
    port = PORTS[form]
    content = port.offer(await store.lots_to_plant(session, planting_partner))
    headers = {"Content-Disposition": f'attachment; filename="saxaul-lots.{form}"'}
    return Response(content, headers=headers, media_type=port.media_type)


@router.post(
    "/lots/import",
    response_model=Imported,
    responses=documented(400, 413, 415),
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "text/csv": {"schema": {"type": "string"}},
                "application/json": {
                    "schema": {
                        "type": "object",
                        "required": ["reports"],
                        "properties": {"reports": {"type": "array", "items": {"type": "object"}}},
                    }
                },
            },
        }
    },
)
async def import_reports(
    request: Request, operator: Operator, session: Transaction, resources: AppResources, now: Now
) -> Imported:
    """Record a partner's reports, all or none. The same file again changes nothing."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in MEDIA:
        raise UnsupportedType(f"Send text/csv or application/json, not {kind or 'nothing'}.")
    content = await whole_body(request)
    lines = PORTS[MEDIA[kind]].read(content)
    recorded, known = await record_reports(session, lines, now=now)
    return Imported(recorded=recorded, known=known)


@router.get("/lots/{lot}")
async def one_lot(lot: str, operator: Operator, session: Transaction) -> LotWhole:
    """A lot with its reports."""
    return await whole_lot(session, lot)


@router.post("/lots/{lot}/fund", response_model=LotView, responses=documented(409))
async def fund(lot: str, operator: Operator, session: Transaction, now: Now) -> LotView:
    """Close a pledged lot and hand it to the partner. Repeating it changes nothing."""
    return view_of_lot(await fund_lot(session, lot, now=now))


@router.post("/lots/{lot}/reports", response_model=LotWhole)
async def report(
    lot: str, body: NewReport, operator: Operator, session: Transaction, now: Now
) -> LotWhole:
    """Record what was found at a lot. The same report again changes nothing."""
    await record_reports(session, [Line(1, report_of(lot, body))], now=now)
    return await whole_lot(session, lot)


@router.get("/liability")
async def liability(
    operator: Operator, session: Transaction, resources: AppResources, now: Now
) -> LiabilityView:
    """Outstanding points in trees and money by project, and the alarm."""
    alarm_pct = resources.settings.liability_alarm_pct
    return await liability_of(session, now=now, alarm_pct=alarm_pct)

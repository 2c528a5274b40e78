"""HTTP for methodologies and factors. Public; the folders are the truth."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse

from methodologies.catalogue_site.sheets import head_of, index_of_row, rows_of, sheet_of
from methodologies.contract import UnknownEdition
from service.catalogue.dependencies import ThesePages
from service.errors import MethodologyNotFound, PageNotFound
from service.http.caching import FOR_MINUTES, HTML, cacheable, version_of
from service.http.pages import Order, Page, Paging, as_found
from service.http.problems import documented
from service.http.times import Day, whole_of
from service.intake.dependencies import ThisCatalogue

pages = APIRouter(prefix="/methodologies", include_in_schema=False)
router = APIRouter(prefix="/v1", tags=["Methodologies"], responses=documented(404, 422))
_BY_INDEX: Order[dict[str, Any], tuple[str, int, str]] = Order(
    index_of_row, lambda parts: (parts[0], whole_of(parts[1]), parts[2]), ("", 0, "")
)


@router.get("/methodologies")
async def methodologies(catalogue: ThisCatalogue) -> dict[str, Any]:
    """Every version of every methodology, by id and version."""
    return {"data": [head_of(one) for one in catalogue.editions()], "next_cursor": None}


@router.get("/methodologies/{methodology_id}/{version}")
async def methodology(
    methodology_id: str, version: str, catalogue: ThisCatalogue
) -> dict[str, Any]:
    """One version whole: the sheet as published, its factors and cases, its digest in LOCK."""
    try:
        edition = catalogue.edition(methodology_id, version)
    except UnknownEdition as error:
        raise MethodologyNotFound(
            f"There is no {methodology_id}@{version}. GET /v1/methodologies lists them."
        ) from error
    return sheet_of(catalogue, edition)


@router.get("/factors")
async def factors(
    catalogue: ThisCatalogue,
    page: Paging,
    factor_id: Annotated[
        str | None, Query(alias="id", max_length=128, description="A row's id or family.")
    ] = None,
    region: Annotated[
        str | None, Query(max_length=16, description="ISO 3166-1 or -2, or GLOBAL; exactly.")
    ] = None,
    on: Annotated[Day | None, Query(description="Rows that hold on this day.")] = None,
) -> Page[dict[str, Any]]:
    """Emission factors and parameters by id: value, unit, validity, source, confidence, review.

    A field that is not known is null. `used_by` names the versions that carry the value.
    """

    async def find(after: tuple[str, int, str], limit: int) -> list[dict[str, Any]]:
        rows = rows_of(catalogue, id_=factor_id, region=region, on=on)
        return [row for row in rows if index_of_row(row) > after][:limit]

    return await page.of(_BY_INDEX, find, as_found)


@pages.get("")
async def index() -> Response:
    """Return the first page of the catalogue site.

    Its pages link to each other within their folder.
    """
    return RedirectResponse("/methodologies/index.html", 307)


@pages.get("/{name}")
async def page(request: Request, name: str, found: ThesePages) -> Response:
    """Return a page of the catalogue site, or its style sheet. PageNotFound: there is none."""
    if name not in found:
        raise PageNotFound(f"There is nothing at {request.url.path}.")
    content = found[name].encode()
    kind = "text/css; charset=utf-8" if name.endswith(".css") else HTML
    return cacheable(request, content, version_of(content), media_type=kind, control=FOR_MINUTES)

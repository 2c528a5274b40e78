"""HTTP for methodologies and factors. Public; the folders are the truth."""

from datetime import date
from typing import Annotated, Any, cast

from fastapi import APIRouter, Depends, Query, Request

from methodologies.catalogue import Catalogue
from methodologies.contract import Edition, UnknownEdition
from service.errors import MethodologyNotFound
from service.http.problems import documented
from service.intake.report import Intake

router = APIRouter(prefix="/v1", tags=["Methodologies"], responses=documented(404, 422))


async def catalogue_of(request: Request) -> Catalogue:
    """The methodologies that this process assesses with."""
    return cast("Intake", request.app.state.intake).assessor.catalogue


ThisCatalogue = Annotated[Catalogue, Depends(catalogue_of)]


@router.get("/methodologies")
async def methodologies(catalogue: ThisCatalogue) -> dict[str, Any]:
    """Every version of every methodology, by id and version."""
    return {"data": [_head(one) for one in catalogue.editions()], "next_cursor": None}


@router.get("/methodologies/{methodology_id}/{version}")
async def methodology(
    methodology_id: str, version: str, catalogue: ThisCatalogue
) -> dict[str, Any]:
    """One version whole: the sheet as published, and its digest in LOCK."""
    try:
        edition = catalogue.edition(methodology_id, version)
    except UnknownEdition as error:
        raise MethodologyNotFound(
            f"There is no {methodology_id}@{version}. GET /v1/methodologies lists them."
        ) from error
    return {**_head(edition), "sheet": edition.sheet}


@router.get("/factors")
async def factors(
    catalogue: ThisCatalogue,
    factor_id: Annotated[str | None, Query(alias="id", max_length=128)] = None,
    region: Annotated[str | None, Query(max_length=16)] = None,
    on: date | None = None,
) -> dict[str, Any]:
    """Emission factors and parameters with unit, validity, source and confidence mark."""
    found = catalogue.factors(id_=factor_id, region=region, on=on)
    return {"data": [one.as_dict() for one in found], "next_cursor": None}


def _head(edition: Edition) -> dict[str, Any]:
    return {
        "id": edition.id,
        "version": edition.version,
        "title": edition.title,
        "activity": edition.activity,
        "status": edition.status,
        "published_on": edition.published_on.isoformat(),
        "in_force_from": edition.in_force_from.isoformat(),
        "regions": list(edition.regions),
        "minimum_evidence_level": edition.minimum_level,
        "digest": edition.digest,
    }

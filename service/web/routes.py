"""The public page and the API's own documentation, both without anything from elsewhere."""

from string import Template
from typing import Annotated

import orjson
from fastapi import APIRouter, Depends, Request, Response
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from service.errors import PageNotFound
from service.http.caching import (
    FOR_A_SECOND,
    FOR_GOOD,
    FOR_MINUTES,
    GUARDS,
    HTML,
    cacheable,
    version_of,
)
from service.http.runtime import runtime_of
from service.intake.dependencies import ThisCatalogue
from service.totals.dependencies import TotalsRuntime
from service.web.files import ASSETS, asset_urls, file
from service.web.page import home_page

router = APIRouter(include_in_schema=False)


async def titles_of(catalogue: ThisCatalogue) -> dict[str, str]:
    """Return what each methodology version is about, by "id@version"."""
    return {one.reference: one.title for one in catalogue.editions()}


Titles = Annotated[dict[str, str], Depends(titles_of)]


@router.get("/")
async def home(request: Request, titles: Titles) -> Response:
    """The public page."""
    totals = runtime_of(request.app, TotalsRuntime).totals
    try:
        body = await totals.body()
    except (DBAPIError, PoolTimeout, OSError):
        return Response(
            file("away.html").content, 503, {**GUARDS, "Retry-After": "5"}, media_type=HTML
        )
    template = file("home.html").content.decode()
    page = home_page(template, orjson.loads(body), titles, asset_urls()).encode()
    return cacheable(request, page, version_of(page), media_type=HTML, control=FOR_A_SECOND)


@router.get("/docs")
async def docs(request: Request) -> Response:
    """The API's documentation, drawn in the browser from /openapi.json."""
    page = Template(file("docs.html").content.decode()).substitute(asset_urls()).encode()
    return cacheable(request, page, version_of(page), media_type=HTML, control=FOR_MINUTES)


@router.get("/assets/{name}")
async def asset(request: Request, name: str, v: str = "") -> Response:
    """A file of the pages; with its version in the address it may be kept for good."""
    if name not in ASSETS:
        raise PageNotFound(f"There is nothing at {request.url.path}.")
    found = file(name)
    control = FOR_GOOD if v == found.version else FOR_MINUTES
    return cacheable(
        request, found.content, found.version, media_type=found.media_type, control=control
    )

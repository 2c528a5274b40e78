"""The public page and the API's own documentation, both without anything from elsewhere."""

from string import Template
from typing import Annotated, cast

import orjson
from fastapi import APIRouter, Depends, Request, Response
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from service.errors import PageNotFound
from service.intake.report import Intake
from service.totals.view import LiveTotals
from service.web.files import ASSETS, asset_urls, file, version_of
from service.web.page import home_page

router = APIRouter(include_in_schema=False)

HTML = "text/html; charset=utf-8"
FOR_A_SECOND = "public, max-age=1"
FOR_MINUTES = "public, max-age=300"
FOR_GOOD = "public, max-age=31536000, immutable"
GUARDS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; "
    "img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


async def titles_of(request: Request) -> dict[str, str]:
    """What each methodology version is about, by "id@version"."""
    catalogue = cast("Intake", request.app.state.intake).assessor.catalogue
    return {one.reference: one.title for one in catalogue.editions()}


Titles = Annotated[dict[str, str], Depends(titles_of)]


@router.get("/")
async def home(request: Request, titles: Titles) -> Response:
    """The public page."""
    totals = cast("LiveTotals", request.app.state.totals)
    try:
        body = await totals.body()
    except (DBAPIError, PoolTimeout, OSError):
        return Response(
            file("away.html").content, 503, {**GUARDS, "Retry-After": "5"}, media_type=HTML
        )
    template = file("home.html").content.decode()
    page = home_page(template, orjson.loads(body), titles, asset_urls()).encode()
    return _kept(request, page, version_of(page), media_type=HTML, control=FOR_A_SECOND)


@router.get("/docs")
async def docs(request: Request) -> Response:
    """The API's documentation, drawn in the browser from /openapi.json."""
    page = Template(file("docs.html").content.decode()).substitute(asset_urls()).encode()
    return _kept(request, page, version_of(page), media_type=HTML, control=FOR_MINUTES)


@router.get("/assets/{name}")
async def asset(request: Request, name: str, v: str = "") -> Response:
    """A file of the pages; with its version in the address it may be kept for good."""
    if name not in ASSETS:
        raise PageNotFound(f"There is nothing at {request.url.path}.")
    found = file(name)
    control = FOR_GOOD if v == found.version else FOR_MINUTES
    return _kept(
        request, found.content, found.version, media_type=found.media_type, control=control
    )


def _kept(
    request: Request, content: bytes, version: str, *, media_type: str, control: str
) -> Response:
    """The content, or 304 when the browser has it already."""
    tag = f'"{version}"'
    headers = {**GUARDS, "ETag": tag, "Cache-Control": control}
    known = {one.strip() for one in request.headers.get("if-none-match", "").split(",")}
    if tag in known or f"W/{tag}" in known:
        return Response(status_code=304, headers=headers)
    return Response(content, headers=headers, media_type=media_type)

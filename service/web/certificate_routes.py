"""Certificates for everybody: JSON for programs, a page for people, a PDF to keep."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from service.forest.certificate import read_certificate
from service.forest.schemas import CertificateView
from service.http.addresses import public_url_of
from service.http.caching import GUARDS, HTML
from service.http.dependencies import AppResources, Transaction
from service.http.problems import documented
from service.web.certificate_page import certificate_page
from service.web.dependencies import ThisCertificateCache
from service.web.files import asset_urls, file

router = APIRouter(prefix="/v1/certificates", tags=["Trees"], responses=documented(404, 422, 503))

PDF = "application/pdf"
SHORT = "public, max-age=60"
KEPT = {"Cache-Control": SHORT, "Vary": "Accept", "Referrer-Policy": "no-referrer"}


async def address_of(resources: AppResources) -> str:
    """Where certificates are shown, up to the serial."""
    return public_url_of(resources.settings) + "/v1/certificates/"


Address = Annotated[str, Depends(address_of)]


@router.get("/{serial}.pdf", response_class=Response, responses={200: {"content": {PDF: {}}}})
async def pdf(
    serial: str, resources: AppResources, address: Address, certificates: ThisCertificateCache
) -> Response:
    """A certificate as a PDF, with its lot's state today."""
    # The connection is given back before the PDF is made: others need it more.
    async with resources.sessions() as session:
        view = await read_certificate(session, serial, url=address)
    content = await certificates.pdf_of(view)
    name = f'inline; filename="{view.serial}.pdf"'
    return Response(content, headers={**KEPT, "Content-Disposition": name}, media_type=PDF)


@router.get(
    "/{serial}",
    response_model=CertificateView,
    responses={200: {"content": {"text/html": {"schema": {"type": "string"}}}}},
)
async def certificate(
    serial: str, request: Request, session: Transaction, address: Address
) -> Response:
    """A certificate with its lot's state today: JSON, or a page for a browser."""
    view = await read_certificate(session, serial, url=address)
    if "text/html" in request.headers.get("accept", ""):
        page = certificate_page(file("certificate.html").content.decode(), view, asset_urls())
        return Response(page, headers={**GUARDS, **KEPT}, media_type=HTML)
    return Response(view.model_dump_json(), headers=KEPT, media_type="application/json")

"""What routes of pages depend on: the PDFs that were made."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from service.http.runtime import runtime_of
from service.web.certificate_cache import CertificateCache


@dataclass(frozen=True, kw_only=True)
class WebRuntime:
    """The PDFs that this process has made."""

    certificates: CertificateCache


async def certificate_cache_of(request: Request) -> CertificateCache:
    """Return the PDFs that this process has made."""
    return runtime_of(request.app, WebRuntime).certificates


ThisCertificateCache = Annotated[CertificateCache, Depends(certificate_cache_of)]

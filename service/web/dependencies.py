"""What routes of pages depend on: the PDFs that were made."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from service.http.runtime import runtime_of
from service.web.certificate_shelf import Shelf


@dataclass(frozen=True, kw_only=True)
class WebRuntime:
    """The PDFs that this process has made."""

    shelf: Shelf


async def shelf_of(request: Request) -> Shelf:
    """The PDFs that this process has made."""
    return runtime_of(request.app, WebRuntime).shelf


ThisShelf = Annotated[Shelf, Depends(shelf_of)]

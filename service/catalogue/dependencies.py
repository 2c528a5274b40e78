"""What routes of the catalogue site depend on: its pages."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from methodologies.catalogue import Catalogue
from methodologies.catalogue_site.pages import site_pages
from service.http.runtime import runtime_of


class CatalogueSite:
    """The pages of the catalogue site, made when the first of them is asked for."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._pages: Mapping[str, str] | None = None

    async def pages(self) -> Mapping[str, str]:
        """Return every page by its name."""
        if self._pages is None:
            self._pages = await asyncio.to_thread(site_pages, self._catalogue)
        return self._pages


@dataclass(frozen=True, kw_only=True)
class CatalogueRuntime:
    """The catalogue site that this process shows."""

    site: CatalogueSite


async def pages_of(request: Request) -> Mapping[str, str]:
    """Return every page of the catalogue site by its name."""
    return await runtime_of(request.app, CatalogueRuntime).site.pages()


ThesePages = Annotated[Mapping[str, str], Depends(pages_of)]

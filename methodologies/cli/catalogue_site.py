"""The command of the catalogue site: builds its pages."""

from pathlib import Path
from typing import Annotated

import typer

from methodologies.catalogue_site.pages import write_site
from methodologies.cli.options import Folders, catalogue_of
from methodologies.cli.terminal import fail, out
from methodologies.contract import CatalogueBroken

SITE = Path("site/methodologies")


def site(
    folder: Annotated[Path, typer.Argument(help="Where the pages go.")] = SITE,
    methodologies: Folders = "",
) -> None:
    """Build the catalogue site: static pages, one for every version and every area of factors."""
    try:
        names = write_site(catalogue_of(methodologies), folder)
    except CatalogueBroken as broken:
        raise fail(broken) from broken
    except OSError as wrong:
        raise fail(f"{folder} cannot be written: {wrong.strerror}") from wrong
    out.print(
        f"{len(names)} pages in {folder}; begin with {folder / 'index.html'}.",
        highlight=False, soft_wrap=True,
    )  # fmt: skip

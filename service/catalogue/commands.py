"""What `saxaul` mounts of the methodologies' own commands, and a former name of one of them."""

from pathlib import Path
from typing import Annotated

import typer

from methodologies.cli.app import factors_app, methodology_app, receipt_app
from methodologies.cli.catalogue_site import site
from methodologies.cli.options import Folders
from service.terminal import err

__all__ = ["book", "factors_app", "methodology_app", "receipt_app"]


def book(
    folder: Annotated[Path, typer.Argument(help="Where the pages go.")] = Path("site/book"),
    methodologies: Folders = "",
) -> None:
    """Build the catalogue site, as `saxaul methodology site` does, and say that name."""
    err.print("`saxaul book` is now called `saxaul methodology site`.", highlight=False)
    site(folder, methodologies)

"""Which methodologies this program uses: the packaged ones and those of METHODOLOGY_PATH."""

import os
from collections.abc import Iterable
from datetime import date
from pathlib import Path

from methodologies.catalogue import Catalogue, load_catalogue
from methodologies.contract import CatalogueBroken
from methodologies.folder import PACKAGED
from methodologies.review import refuse_overdue


def load_all(methodology_path: str, today: date) -> Catalogue:
    """Load the packaged methodologies and those of a search path, under the same checks.

    CatalogueBroken: with folder, file, line and reason; the program must not start.
    """
    return load_checked(folders_of(methodology_path), today)


def load_checked(folders: Iterable[Path], today: date) -> Catalogue:
    """Load the packaged methodologies and those of more folders. Errors as `load_all`."""
    catalogue = load_catalogue(PACKAGED, *folders)
    refuse_overdue(catalogue.register, catalogue.factors_used(), today)
    return catalogue


def folders_of(methodology_path: str) -> tuple[Path, ...]:
    """Return the folders of a search path, separated as PATH is.

    CatalogueBroken: one is not there.
    """
    folders = tuple(Path(one) for one in methodology_path.split(os.pathsep) if one.strip())
    for folder in folders:
        if not folder.is_dir():
            raise CatalogueBroken(
                str(folder), 1, "there is no such folder; see SAXAUL_METHODOLOGY_PATH"
            )
    return folders

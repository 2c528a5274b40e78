"""Digests of version folders, and the lists beside them: LOCK, IN_FORCE and WITHDRAWN.

LOCK holds the digest of every published version; a version that differs from its line is refused.
IN_FORCE says from which day of actions on a version assesses (`force.py` reads it).
WITHDRAWN names versions that take no new actions, with the reason; old results stay readable.
"""

import hashlib
from pathlib import Path

from methodologies.contract import CatalogueBroken

LOCK = "LOCK"
IN_FORCE = "IN_FORCE"
WITHDRAWN = "WITHDRAWN"


def digest_of(folder: Path) -> str:
    """Return "sha256:..." over name, length and bytes of each file of a folder, sorted by name."""
    digest = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        if path.is_file():
            content = path.read_bytes()
            digest.update(f"{path.name}\0{len(content)}\0".encode())
            digest.update(content)
    return f"sha256:{digest.hexdigest()}"


def read_lines(file: Path) -> dict[str, tuple[int, str]]:
    """Read lines of `id@version value`: by reference, the line's number and its value.

    A missing file has no lines. CatalogueBroken: a line has not this form, or a reference twice.
    """
    found: dict[str, tuple[int, str]] = {}
    text = file.read_text(encoding="utf-8") if file.is_file() else ""
    for number, line in enumerate(text.splitlines(), start=1):
        reference, _, rest = line.partition(" ")
        if not line or line.startswith("#"):
            continue
        if "@" not in reference or not rest.strip():
            raise CatalogueBroken(file.name, number, "a line is `id@version` and a value")
        if reference in found:
            raise CatalogueBroken(file.name, number, f"{reference} stands here a second time")
        found[reference] = (number, rest.strip())
    return found


def check_lock(folder: Path, published: dict[str, str]) -> None:
    """Compare the digests of published versions, by reference, with LOCK.

    CatalogueBroken: a published version is not locked, differs from its line, or is gone.
    """
    locked = read_lines(folder / LOCK)
    for reference, digest in published.items():
        if reference not in locked:
            command = "python -m methodologies.lock"
            raise CatalogueBroken(LOCK, 1, f"{reference} is published, not locked: run {command}")
        line, expected = locked[reference]
        if digest != expected:
            raise CatalogueBroken(
                LOCK, line, f"{reference} has changed since it was published: make a new version"
            )
    for reference in sorted(locked.keys() - published.keys()):
        raise CatalogueBroken(LOCK, locked[reference][0], f"the folder of {reference} is gone")

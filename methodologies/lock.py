"""Publishing, setting in force and withdrawing: each adds a line to a list beside the folders.

`python -m methodologies.lock` locks new versions. No line is ever changed: a published version is
corrected by a new version beside it.
"""

import sys
from datetime import date
from pathlib import Path

from methodologies.catalogue import load_catalogue
from methodologies.contract import CatalogueBroken
from methodologies.digest import IN_FORCE, LOCK, WITHDRAWN, check_lock, read_lines
from methodologies.folder import PACKAGED, published_in, read_folder


def lock(folder: Path) -> tuple[str, ...]:
    """Lock what is new; the answer is the references added. Safe to repeat.

    CatalogueBroken: a folder is not fit for use, or a locked version has changed or is gone. Then
    nothing is written.
    """
    published = published_in(read_folder(folder))
    locked = read_lines(folder / LOCK)
    new = tuple(sorted(published.keys() - locked.keys()))
    check_lock(folder, {ref: digest for ref, digest in published.items() if ref in locked})
    with (folder / LOCK).open("a", encoding="utf-8", newline="\n") as file:
        file.writelines(f"{reference} {published[reference]}\n" for reference in new)
    return new


def put_in_force(folder: Path, reference: str, first_day: date, *, recorded_on: date) -> None:
    """Let a published version assess the actions of `first_day` and later. Safe to repeat.

    CatalogueBroken: there is no such version, it is a draft or in force from another day already,
    or the day is less than 14 days after `recorded_on`. Then nothing is written.
    """
    _add(folder, IN_FORCE, reference, f"{first_day}", f"{first_day} {recorded_on}")


def withdraw(folder: Path, reference: str, reason: str) -> None:
    """Let a version take no new actions. Safe to repeat.

    CatalogueBroken: there is no such version, or it is withdrawn for another reason.
    """
    reason = " ".join(reason.split())
    _add(folder, WITHDRAWN, reference, reason, reason)


def _add(folder: Path, name: str, reference: str, same: str, rest: str) -> None:
    """Add a line unless one that begins with `same` is there; the whole folder must stay fit."""
    had = read_lines(folder / name)
    if reference in had:
        line, written = had[reference]
        if not written.startswith(same):
            raise CatalogueBroken(name, line, f"{reference} has a line already: {written}")
        return
    file = folder / name
    before = file.read_bytes() if file.is_file() else None
    text = (before or b"").decode()
    if text and not text.endswith("\n"):
        text += "\n"
    file.write_text(f"{text}{reference} {rest}\n", encoding="utf-8", newline="\n")
    try:
        load_catalogue(folder)
    except CatalogueBroken:
        if before is None:
            file.unlink()
        else:
            file.write_bytes(before)
        raise


def main() -> int:
    """Lock the packaged methodologies; 1 when something is wrong."""
    try:
        new = lock(PACKAGED)
    except CatalogueBroken as broken:
        sys.stderr.write(f"{broken}\n")
        return 1
    sys.stdout.write("".join(f"locked {reference}\n" for reference in new) or "nothing new\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

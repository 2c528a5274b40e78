"""The command that locks new versions: `python -m methodologies.lock`.

It adds lines for new published versions and never changes one: a published version is corrected by
a new version beside it.
"""

import sys
from pathlib import Path

from methodologies.contract import CatalogueBroken
from methodologies.digest import LOCK, check_lock, read_lines
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

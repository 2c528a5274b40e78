"""Use cases of authors: make a skeleton, check a folder, publish a version."""

import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from string import Template

from methodologies.contract import CatalogueBroken
from methodologies.folder import CODE, Version, read_version
from methodologies.lock import lock
from methodologies.proof import Proof, placeholders, prove

SKELETON = Path(__file__).with_name("skeleton")
_ID = re.compile(r"[a-z_]{1,30}(\.[a-z_]{1,30}){1,3}", re.ASCII)
_STATUS = re.compile(r"^status: draft$", re.MULTILINE)
_DAY = re.compile(r"^published_on: .*$", re.MULTILINE)


class AuthorRefused(ValueError):
    """What an author asked for cannot be done; the text says why and what to do."""


def make_skeleton(id_: str, folder: Path, today: date) -> Path:
    """Write a draft that passes every check into `folder`; the answer is the folder of its version.

    AuthorRefused: the id has not the form of one, or there is such a folder.
    """
    if not _ID.fullmatch(id_):
        raise AuthorRefused(
            f"{id_!r} is not an id: small letters in two to four parts, such as water.refill"
        )
    made = folder / id_.replace(".", "_") / "v1"
    if made.exists():
        raise AuthorRefused(f"{made} is there already; a correction is v1_1 or v2 beside it")
    names = {
        "id": id_,
        "title": id_.replace(".", " ").replace("_", " ").capitalize(),
        "claim": f"{id_}.item",
        "prefix": f"cn.{id_}",
        "today": today.isoformat(),
    }
    made.mkdir(parents=True)
    for path in sorted(SKELETON.iterdir()):
        text = Template(path.read_text(encoding="utf-8")).substitute(names)
        (made / path.name).write_text(text, encoding="utf-8")
    return made


def versions_below(path: Path) -> tuple[Path, ...]:
    """Return the version folders of a path: itself, a methodology's, or a whole collection's.

    AuthorRefused: there are none.
    """
    if not path.is_dir():
        raise AuthorRefused(f"there is no folder {path}")
    found = [path] if (path / "methodology.yaml").is_file() else [
        *path.glob("v[1-9]*/"), *path.glob("[a-z]*/v[1-9]*/")
    ]  # fmt: skip
    if not found:
        raise AuthorRefused(f"{path} holds no version folder such as water_refill/v1")
    return tuple(sorted(one.resolve() for one in found))


def check_versions(path: Path) -> Iterator[tuple[Version, tuple[Proof, ...]]]:
    """Read each version below a path and try all that it says about itself.

    CatalogueBroken: a folder cannot be read at all.
    """
    for folder in versions_below(path):
        version = read_version(folder)
        yield version, prove(version, source_of(folder))


def source_of(folder: Path) -> str | None:
    """The text of a version folder's estimate.py; None where its formulas do the sum."""
    code = folder / CODE
    return code.read_text(encoding="utf-8") if code.is_file() else None


def publish(folder: Path, today: date) -> str:
    """Set a draft's status and day, and lock it; the answer is its reference.

    AuthorRefused: it is no draft, does not hold, or still has values of the skeleton.
    CatalogueBroken: it cannot be read, or something beside it cannot.
    """
    (version, proofs), *more = check_versions(folder)
    if more or not (folder / "methodology.yaml").is_file():
        raise AuthorRefused(f"{folder} is not one version folder; name one such as water_refill/v1")
    reference = version.edition.reference
    if version.edition.status != "draft":
        raise AuthorRefused(f"{reference} is {version.edition.status} already")
    wrong = [one for one in proofs if one.wrong]
    if wrong:
        first = wrong[0]
        raise AuthorRefused(
            f"{reference} does not hold (rule {first.rule}): {first.what}: {first.wrong}"
        )
    left = placeholders(version)
    if left:
        raise AuthorRefused(
            f"{left[0]} is still the value of the skeleton: write a value that you have seen, its "
            "source, and take the flag `placeholder` away"
        )
    sheet = folder / "methodology.yaml"
    draft = sheet.read_text(encoding="utf-8")
    text = _DAY.sub(f"published_on: {today.isoformat()}", _STATUS.sub("status: published", draft))
    sheet.write_text(text, encoding="utf-8")
    try:
        lock(folder.resolve().parent.parent)
    except CatalogueBroken:
        sheet.write_text(draft, encoding="utf-8")
        raise
    return reference

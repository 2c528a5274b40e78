"""The files of the pages: read at first use, named by their content, the same for everybody."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from service.http.caching import version_of

FOLDER = Path(__file__).with_name("files")
TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
ASSETS = frozenset(("certificate.css", "home.css", "home.js", "docs.css", "docs.js", "icon.svg"))


@dataclass(frozen=True, slots=True)
class File:
    """One file; `version` changes with its content."""

    content: bytes
    media_type: str
    version: str


@cache
def file(name: str) -> File:
    """Return a file of this folder."""
    path = FOLDER / name
    content = path.read_bytes()
    return File(content, TYPES[path.suffix], version_of(content))


@cache
def asset_urls() -> dict[str, str]:
    """Where each asset is, by its name with `_` for `.`: a new content has a new address."""
    return {name.replace(".", "_"): f"/assets/{name}?v={file(name).version}" for name in ASSETS}

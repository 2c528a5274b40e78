"""What tests read again and again is remembered by its content: reading depends on that alone."""

from functools import lru_cache
from pathlib import Path

import yaml

from methodologies import folder
from methodologies.folder import Version

Entries = tuple[tuple[str, bytes | None], ...]
_READ = folder.read_version
_versions: dict[tuple[str, str, Entries], Version] = {}


def remember() -> None:
    """Parse each YAML text once, and read each version folder once, copies of it included.

    A catalogue is loaded some hundred times in a run. What a folder is read to depends on its two
    names and on its files; what is broken is read, and refused, each time.
    """
    yaml.compose = lru_cache(maxsize=4096)(yaml.compose)
    folder.read_version = _read_version


def _read_version(path: Path) -> Version:
    if not path.is_dir():
        return _READ(path)
    key = (path.parent.name, path.name, _entries(path))
    found = _versions.get(key)
    if found is None:
        found = _versions[key] = _READ(path)
    return found


def _entries(path: Path) -> Entries:
    inside = sorted(one for one in path.iterdir() if one.name != "__pycache__")
    return tuple((one.name, one.read_bytes() if one.is_file() else None) for one in inside)

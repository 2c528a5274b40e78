"""The content of an audit event: named fields as canonical JSON, and digests of them. Pure.

Canonical is RFC 8785 with integers as strings: keys in order, no spaces, and no number that two
programs could write in two ways. So a content can become an entry of a transparency log as it is.
"""

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from hashlib import sha256
from typing import Any
from uuid import UUID

import orjson

Fields = Mapping[str, Any]


def canonical(fields: Fields) -> bytes:
    """Return fields as canonical JSON.

    Raises TypeError for what has no text of its own, such as bytes or a float.
    """
    return orjson.dumps(plain(fields), option=orjson.OPT_SORT_KEYS)


def digest(fields: Fields | None) -> bytes | None:
    """Return the SHA-256 of what something was, or became; None when there was nothing."""
    return None if fields is None else sha256(canonical(fields)).digest()


def changes(before: Fields | None, after: Fields | None) -> dict[str, list[Any]]:
    """Return the fields that differ, each with its value before and after; null for none."""
    old, new = dict(before or {}), dict(after or {})
    return {
        name: [plain(old.get(name)), plain(new.get(name))]
        for name in sorted(old.keys() | new.keys())
        if old.get(name) != new.get(name)
    }


def plain(value: Any) -> Any:
    """Return a value of JSON's own kinds, numbers and times as texts."""
    if value is None or isinstance(value, str | bool):
        return value
    if isinstance(value, int | Decimal | UUID):
        return str(value)
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {str(name): plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    if isinstance(value, set | frozenset):
        return sorted(plain(one) for one in value)
    raise TypeError(f"an audit event cannot hold a {type(value).__name__}")

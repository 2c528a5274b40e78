"""How content becomes bytes: of an event, whose digest a receipt shows, and of a fact's leaf. Pure.

The bytes never change: a digest of any age is made again by the same function.
"""

from collections.abc import Mapping
from decimal import Decimal
from hashlib import sha256

import orjson


def content_digest(
    *,
    activity: str,
    time: str,
    level: str,
    scope: str,
    region: str | None,
    data: bytes,
    overlap: str | None,
) -> bytes:
    """The SHA-256 digest of an event's content.

    `time` is RFC 3339 in the event's own offset, `data` what `canonical_data` gives, without the
    region. `overlap` is what the event states of inventories, and None when it states nothing.
    """
    content = f"{activity}\n{time}\n{level}\n{scope}\n{region}\n".encode() + data
    if overlap is not None:
        content += f"\n{overlap}".encode()
    return sha256(content).digest()


def canonical_data(data: Mapping[str, object]) -> bytes:
    """Data as JSON with sorted names; numbers as decimal strings, so that 12.4 equals "12.4"."""
    return orjson.dumps(data, default=_number, option=orjson.OPT_SORT_KEYS)


def canonical_json(content: Mapping[str, object]) -> bytes:
    """Return content as canonical JSON (RFC 8785).

    What orjson writes is that form for objects with ASCII names whose values are texts, truth
    values and None; a test holds it against a library of the standard. Numbers are to be texts.
    """
    return orjson.dumps(content, option=orjson.OPT_SORT_KEYS)


def implied_overlap(scope: str) -> str:
    """Whose inventory an action of this scope sits in when its event states none."""
    return "s3" if scope == "3" else "none"


def _number(value: object) -> str:
    assert isinstance(value, Decimal)
    return format(value, "f") if -30 < value.adjusted() < 30 else str(value)

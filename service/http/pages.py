"""Cursor-paged lists: `?limit=&cursor=` in, `{"data": [...], "next_cursor": ...}` out."""

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import Annotated, Generic, TypeVar

import orjson
from fastapi import Query
from pydantic import BaseModel

from service.errors import CursorInvalid

PAGE_DEFAULT = 50
PAGE_MAX = 200
CURSOR_MAX = 512

Limit = Annotated[int, Query(ge=1, le=PAGE_MAX, description="Rows on a page.")]
Cursor = Annotated[
    str | None, Query(max_length=CURSOR_MAX, description="`next_cursor` of the page before.")
]
Row = TypeVar("Row")
Key = TypeVar("Key")


class Page(BaseModel, Generic[Row]):
    """One page of a list, newest first."""

    data: list[Row]
    next_cursor: str | None


def read_cursor(cursor: str | None, read: Callable[[list[str]], Key], start: Key) -> Key:
    """Return the key that a cursor stands for, or `start`. Raises CursorInvalid."""
    if cursor is None:
        return start
    try:
        parts = orjson.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        return read([str(part) for part in parts])
    except (binascii.Error, orjson.JSONDecodeError, ValueError, TypeError, IndexError) as error:
        raise CursorInvalid(
            "The cursor is not one that this list handed out. Start again without it.",
            (("/cursor", "must be the next_cursor of the page before"),),
        ) from error


def page_of(rows: Sequence[Row], limit: int, key: Callable[[Row], Sequence[object]]) -> Page[Row]:
    """Return a page from `limit + 1` rows: the one too many says that there is a next page."""
    shown = list(rows[:limit])
    if len(rows) <= limit:
        return Page(data=shown, next_cursor=None)
    text = orjson.dumps([str(part) for part in key(shown[-1])])
    return Page(data=shown, next_cursor=base64.urlsafe_b64encode(text).rstrip(b"=").decode())

"""Cursor-paged lists: `?limit=&cursor=` in, `{"data": [...], "next_cursor": ...}` out.

A route depends on `Paging` and says how its list is ordered; all else about pages is here.
"""

import base64
import binascii
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Generic, TypeVar
from uuid import UUID

import orjson
from fastapi import Depends, Query
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
View = TypeVar("View")
Key = TypeVar("Key")
LAST_ID = UUID(int=2**128 - 1)  # after every id; lists of the newest first start before it


class Page(BaseModel, Generic[View]):
    """One page of a list, newest first."""

    data: list[View]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class Order(Generic[Row, Key]):
    """How a list is ordered.

    `parts` of a row say where it stands, as texts, numbers, days or times. `read` makes a key of
    them when a cursor brings them back as texts, and may raise ValueError. `start` is the key that
    stands before the first row.
    """

    parts: Callable[[Row], Sequence[object]]
    read: Callable[[list[str]], Key]
    start: Key


def newest_first(field: str) -> Order[Any, UUID]:
    """Order rows by a time-ordered id of theirs, the newest first."""
    return Order(lambda row: (_value(row, field),), lambda parts: UUID(parts[0]), LAST_ID)


def by_name(field: str) -> Order[Any, str]:
    """Order rows by a name of theirs, in the order of the alphabet."""
    return Order(lambda row: (_value(row, field),), lambda parts: parts[0], "")


def as_found(row: Row) -> Row:
    """Show a row as it is."""
    return row


class PageRequest:
    """The page that a request asks for."""

    def __init__(self, limit: Limit = PAGE_DEFAULT, cursor: Cursor = None) -> None:
        self._limit = limit
        self._cursor = cursor

    async def of(
        self,
        order: Order[Row, Key],
        find: Callable[[Key, int], Awaitable[Sequence[Row]]],
        show: Callable[[Row], View],
    ) -> Page[View]:
        """Return the page of a list. Raises CursorInvalid.

        `find` returns the rows after a key, up to a number that is one too many: that row says
        that there is a next page. `show` makes what the caller sees of a row.
        """
        rows = await find(self._key(order), self._limit + 1)
        shown = rows[: self._limit]
        more = len(rows) > self._limit
        return Page(
            data=[show(row) for row in shown],
            next_cursor=_cursor(order.parts(shown[-1])) if more else None,
        )

    def _key(self, order: Order[Row, Key]) -> Key:
        """The key that the cursor stands for."""
        if self._cursor is None:
            return order.start
        padded = self._cursor + "=" * (-len(self._cursor) % 4)
        try:
            parts = orjson.loads(base64.urlsafe_b64decode(padded))
            return order.read([str(part) for part in parts])
        except (binascii.Error, orjson.JSONDecodeError, ValueError, TypeError, IndexError) as error:
            raise CursorInvalid(
                "The cursor is not one that this list handed out. Start again without it.",
                (("/cursor", "must be the next_cursor of the page before"),),
            ) from error


Paging = Annotated[PageRequest, Depends()]


def _cursor(parts: Sequence[object]) -> str:
    text = orjson.dumps([str(part) for part in parts])
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()


def _value(row: object, field: str) -> object:
    return row[field] if isinstance(row, Mapping) else getattr(row, field)

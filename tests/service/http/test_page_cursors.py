"""Cursors: what a page hands out leads to the next one, and nothing else is taken."""

from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as some

from service.errors import CursorInvalid
from service.http.pages import Order, Page, PageRequest, as_found, newest_first

ROOT = Path(__file__).parents[3]
BY_NUMBER: Order[int, int] = Order(lambda row: (row,), lambda parts: int(parts[0]), 1000)


async def page_of(rows: list[int], limit: int, cursor: str | None) -> Page[str]:
    """One page of numbers, the highest first, shown as texts."""

    async def find(before: int, count: int) -> list[int]:
        return [row for row in sorted(rows, reverse=True) if row < before][:count]

    return await PageRequest(limit, cursor).of(BY_NUMBER, find, str)


@given(some.sets(some.integers(0, 999), max_size=9), some.integers(1, 9))
async def test_pages_hold_every_row_once(rows: set[int], limit: int) -> None:
    seen: list[str] = []
    cursor, count = None, 0

    while True:
        page = await page_of(list(rows), limit, cursor)
        seen += page.data
        count += 1
        cursor = page.next_cursor
        if cursor is None:
            break

    assert seen == [str(row) for row in sorted(rows, reverse=True)]
    assert count == max(1, -(-len(rows) // limit))


async def key_of(cursor: str | None) -> UUID:
    """The key that a cursor of a list of ids stands for."""
    keys: list[UUID] = []

    async def find(before: UUID, _: int) -> list[UUID]:
        keys.append(before)
        return []

    await PageRequest(1, cursor).of(newest_first("id"), find, as_found)
    return keys[0]


async def test_without_a_cursor_the_list_starts() -> None:
    assert await key_of(None) == UUID(int=2**128 - 1)


@given(some.text(max_size=60))
async def test_any_other_text_is_refused_or_a_key(text: str) -> None:
    try:
        found = await key_of(text)
    except CursorInvalid:
        return
    assert isinstance(found, UUID)


@pytest.mark.parametrize("cursor", ["", "=", "e30", "W10", "bnVsbA", "é", "a" * 511])
async def test_a_foreign_cursor_is_invalid(cursor: str) -> None:
    with pytest.raises(CursorInvalid):
        await key_of(cursor)


def test_no_route_reads_a_cursor_by_itself() -> None:
    for path in (ROOT / "service").rglob("*routes.py"):
        source = path.read_text()
        assert "cursor: Cursor" not in source, path
        assert "limit + 1" not in source, path

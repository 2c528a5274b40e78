"""Cursors: what a page hands out leads to the next one, and nothing else is taken."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as some

from service.errors import CursorInvalid
from service.http.pages import page_of, read_cursor


@given(some.lists(some.integers(0, 999), max_size=9), some.integers(1, 9))
def test_pages_hold_every_row_once(rows: list[int], limit: int) -> None:
    rows = sorted(set(rows), reverse=True)
    seen: list[int] = []
    before, pages = 1000, 0

    while True:
        rest = [row for row in rows if row < before][: limit + 1]
        page = page_of(rest, limit, lambda row: (row,))
        seen += page.data
        pages += 1
        if page.next_cursor is None:
            break
        before = read_cursor(page.next_cursor, lambda parts: int(parts[0]), 0)

    assert seen == rows
    assert pages == max(1, -(-len(rows) // limit))


def test_without_a_cursor_the_list_starts() -> None:
    assert read_cursor(None, int, 7) == 7  # type: ignore[arg-type]


@given(some.text(max_size=60))
def test_any_other_text_is_refused_or_a_key(text: str) -> None:
    try:
        found = read_cursor(text, lambda parts: UUID(parts[0]), UUID(int=0))
    except CursorInvalid:
        return
    assert isinstance(found, UUID)


@pytest.mark.parametrize("cursor", ["", "=", "e30", "W10", "bnVsbA", "é", "a" * 511])
def test_a_foreign_cursor_is_invalid(cursor: str) -> None:
    with pytest.raises(CursorInvalid):
        read_cursor(cursor, lambda parts: UUID(parts[0]), UUID(int=0))

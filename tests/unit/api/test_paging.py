from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.machines.paging import InvalidCursorError, page


@given(st.sets(st.text(max_size=20)), st.integers(1, 7))
def test_pages_hold_every_item_once_in_order(items: set[str], limit: int) -> None:
    ordered = sorted(items)
    seen: list[str] = []
    cursor = None
    while True:
        chosen, cursor = page(ordered, str, after=cursor, limit=limit)
        assert len(chosen) <= limit
        seen += chosen
        if cursor is None:
            break

    assert seen == ordered


def test_an_item_that_was_added_moves_no_other_one() -> None:
    _, cursor = page(["a", "c", "e"], str, after=None, limit=2)

    chosen, _ = page(["a", "b", "c", "d", "e"], str, after=cursor, limit=2)

    assert chosen == ["d", "e"]


@pytest.mark.parametrize("cursor", ["*", "a", "%00", "é", "AAA=AAA", "x" * 500, "_w"])
def test_what_is_no_cursor_is_refused(cursor: str) -> None:
    with pytest.raises(InvalidCursorError):
        page(["a"], str, after=cursor, limit=1)

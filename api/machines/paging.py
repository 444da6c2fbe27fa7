"""Lists in pages: an opaque cursor that names the last item of the page before."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Item = TypeVar("Item")

CURSOR_MAX = 200
"""Longest cursor, in characters."""


class InvalidCursorError(ValueError):
    """The cursor is none that this list gave out."""


def page(
    items: Sequence[Item], key: Callable[[Item], str], *, after: str | None, limit: int
) -> tuple[list[Item], str | None]:
    """Cut one page out of items that are sorted by their key.

    An item that was added or removed between two pages moves no other one.

    Args:
        items: all of them, sorted by `key`.
        key: what orders them; unique.
        after: cursor of the page before, None for the first page.
        limit: most items of a page.

    Returns:
        The page, and the cursor of the next one, None after the last.

    Raises:
        InvalidCursorError: when `after` is no cursor.
    """
    last = _decode(after) if after is not None else None
    rest = [item for item in items if last is None or key(item) > last]
    chosen = rest[:limit]
    return chosen, _encode(key(chosen[-1])) if len(rest) > limit else None


def _encode(key: str) -> str:
    return base64.urlsafe_b64encode(key.encode()).decode().rstrip("=")


def _decode(cursor: str) -> str:
    try:
        if len(cursor) > CURSOR_MAX:
            raise InvalidCursorError("the cursor is too long")
        return base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode()
    except (binascii.Error, UnicodeDecodeError, ValueError) as error:
        raise InvalidCursorError(f"{cursor[:40]!r} is no cursor of this list") from error

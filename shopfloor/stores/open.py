"""Open a store from its address."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shopfloor.stores.port import Store


def open_store(url: str) -> Store:
    """Open the store at an address."""
    from shopfloor.stores.sqlite import SqliteStore

    return SqliteStore(Path(url.removeprefix("sqlite://")))

"""Files that are read again when they change."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pathlib import Path


class Version(NamedTuple):
    """What tells one content of a file from the next without reading it."""

    changed: int
    inode: int
    size: int
    mode: int


def version(path: Path) -> Version | None:
    """Return the version of a file, None when there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return Version(status.st_mtime_ns, status.st_ino, status.st_size, status.st_mode)

"""Small files that are read whole, watched and replaced at once."""

from __future__ import annotations

import os
import secrets
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pathlib import Path


class Version(NamedTuple):
    """What tells one state of a file from the next without reading it."""

    changed: int
    inode: int
    size: int


def version(path: Path) -> Version | None:
    """Return the state of a file, None when there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return Version(status.st_mtime_ns, status.st_ino, status.st_size)


def replace(path: Path, data: bytes) -> None:
    """Write a file for its owner alone; a reader sees the old or the new one, never half of it."""
    draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise

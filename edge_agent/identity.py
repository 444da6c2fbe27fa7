"""What tells this computer, and a file of it, from their clones."""

from __future__ import annotations

import uuid
from pathlib import Path

_MACHINE_ID = Path("/etc/machine-id")
_BOARD = Path("/proc/device-tree/serial-number")


def file_identity(path: Path) -> str:
    """Return what tells a file from a copy of it, on this computer or, as part of a cloned disk, in another one.

    A clone has the machine-id too, and on a disk that was copied block by block the file's number: the computer's own
    number, or that of its network card, is another one.
    """
    try:
        board = _BOARD.read_text(encoding="ascii").strip("\0 \n")
    except (OSError, UnicodeDecodeError):
        board = ""
    return f"{board or f'{uuid.getnode():x}'}/{path.stat().st_ino}"


def host_identity() -> str:
    """Return what tells this computer from others."""
    try:
        return _MACHINE_ID.read_text(encoding="ascii").strip() or f"mac-{uuid.getnode():x}"
    except OSError:
        return f"mac-{uuid.getnode():x}"

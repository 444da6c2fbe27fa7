"""Files that are kept: manuals and photos, checked by what they are, not by what they are called."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import delete, func, select

from api.audit.service import record
from api.records.service import UnknownRecordError, find
from api.records.tables import MachineFile
from shopfloor.errors import ExpectedError
from shopfloor.periods import format_instant

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy.orm import Session

    from api.audit.service import Actor

BYTES_MAX = 20_000_000
"""Largest file."""
FILES_MAX = 30
"""Most files of one machine."""
MACHINE_BYTES_MAX = 200_000_000
"""Most bytes of all files of one machine."""
_BEGINNINGS: Mapping[str, bytes] = {
    "application/pdf": b"%PDF-",
    "image/jpeg": b"\xff\xd8\xff",
    "image/png": b"\x89PNG\r\n\x1a\n",
    "image/webp": b"RIFF",
}
_WEBP = slice(8, 12)
PICTURES = frozenset({"image/jpeg", "image/png", "image/webp"})
"""Types of a photo."""
PURPOSES: Mapping[str, frozenset[str]] = {
    "manual": frozenset(_BEGINNINGS),
    "photo": PICTURES,
}
"""Which types a manual and a photo may have: none that a browser runs."""


class FileTypeError(ExpectedError):
    """The file is of a type that is not kept."""


class FileSizeError(ExpectedError):
    """The file is too large, or the machine has too many."""


class New(NamedTuple):
    """A file to be kept.

    Attributes:
        purpose: `manual` or `photo`.
        name: what it is called.
        content: of the file.
    """

    purpose: str
    name: str
    content: bytes


class Kept(NamedTuple):
    """A file with its content."""

    name: str
    media_type: str
    content: bytes


def type_of(content: bytes) -> str | None:
    """Tell by its beginning what a file is; None when it is nothing that is kept."""
    found = next((kind for kind, begins in _BEGINNINGS.items() if content.startswith(begins)), None)
    if found == "image/webp" and content[_WEBP] != b"WEBP":  # the same beginning as sounds and films
        return None
    return found


def check(purpose: str, content: bytes) -> str:
    """Return the type of a new file.

    Args:
        purpose: `manual` or `photo`.
        content: of the file.

    Raises:
        FileTypeError: it is no PDF, JPEG, PNG or WebP, or no picture where a photo is wanted.
        FileSizeError: it is too large.
    """
    media_type = type_of(content)
    if media_type is None or media_type not in PURPOSES[purpose]:
        kinds = ", ".join(sorted(PURPOSES[purpose]))
        raise FileTypeError(f"a {purpose} is of one of these types, and what is in this file is none: {kinds}")
    if len(content) > BYTES_MAX:
        raise FileSizeError(f"a file has at most {BYTES_MAX // 1_000_000} MB: part it, or make it smaller")
    return media_type


def add(session: Session, actor: Actor, machine_id: str, new: New, *, file_id: str, now: int) -> dict[str, Any]:
    """Keep a file of a machine; a photo takes the place of the one before.

    Args:
        session: from `Records.writing`.
        actor: who does it.
        machine_id: whose file it is.
        new: the file.
        file_id: a new identifier.
        now: when.

    Returns:
        What is kept of it, without its content.

    Raises:
        UnknownRecordError: there is no such machine.
        FileTypeError: it is no PDF, JPEG, PNG or WebP, or no picture where a photo is wanted.
        FileSizeError: it is too large, or there are too many.
    """
    find(session, "machines", machine_id)
    purpose, name, content = new
    media_type = check(purpose, content)
    before = _photo(session, machine_id) if purpose == "photo" else None
    if before is not None:
        session.execute(delete(MachineFile).where(MachineFile.id == before["id"]))
    _keep_bounds(session, machine_id, len(content))
    row = MachineFile(
        id=file_id, machine_id=machine_id, purpose=purpose, name=name, media_type=media_type, content=content, added=now
    )
    session.add(row)
    session.flush()
    after = _listed(session, machine_id, file_id)[0]
    told = after | {"sha256": hashlib.sha256(content).hexdigest()}
    action = "change" if before is not None else "add"
    record(session, actor, action, f"machines/{machine_id}/files", now=now, before=before, after=told)
    return after


def listed(session: Session, machine_id: str) -> list[dict[str, Any]]:
    """Return the files of a machine, the oldest first, without their content."""
    return _listed(session, machine_id)


def content_of(session: Session, machine_id: str, file_id: str) -> Kept:
    """Return a file.

    Raises:
        UnknownRecordError: this machine has none of that id.
    """
    row = session.get(MachineFile, file_id) if file_id.isalnum() and file_id.isascii() else None
    if row is None or row.machine_id != machine_id:
        raise UnknownRecordError(file_id)
    return Kept(row.name, row.media_type, row.content)


def remove(session: Session, actor: Actor, machine_id: str, file_id: str, *, now: int) -> None:
    """Remove a file.

    Raises:
        UnknownRecordError: this machine has none of that id.
    """
    found = _listed(session, machine_id, file_id) if file_id.isalnum() and file_id.isascii() else []
    if not found:
        raise UnknownRecordError(file_id)
    session.execute(delete(MachineFile).where(MachineFile.id == file_id))
    record(session, actor, "remove", f"machines/{machine_id}/files", now=now, before=found[0])


def _keep_bounds(session: Session, machine_id: str, size: int) -> None:
    count, total = session.execute(
        select(func.count(), func.coalesce(func.sum(func.length(MachineFile.content)), 0)).where(
            MachineFile.machine_id == machine_id
        )
    ).one()
    if count >= FILES_MAX or total + size > MACHINE_BYTES_MAX:
        raise FileSizeError(
            f"a machine has at most {FILES_MAX} files with {MACHINE_BYTES_MAX // 1_000_000} MB: remove an old one first"
        )


def _photo(session: Session, machine_id: str) -> dict[str, Any] | None:
    return next((each for each in _listed(session, machine_id) if each["purpose"] == "photo"), None)


def _listed(session: Session, machine_id: str, file_id: str | None = None) -> list[dict[str, Any]]:
    wanted = select(
        MachineFile.id, MachineFile.purpose, MachineFile.name, MachineFile.media_type, MachineFile.added,
        func.length(MachineFile.content),
    ).where(MachineFile.machine_id == machine_id)  # fmt: skip
    if file_id is not None:
        wanted = wanted.where(MachineFile.id == file_id)
    return [
        {
            "id": row.id, "purpose": row.purpose, "name": row.name, "media_type": row.media_type, "bytes": row[5],
            "added": format_instant(row.added),
        }
        for row in session.execute(wanted.order_by(MachineFile.added, MachineFile.id))
    ]  # fmt: skip

"""The photos of work orders: what was found and what was done, as who did the work saw it."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, func, select

from api.audit.service import record
from api.maintenance.alarms import ActionRefusedError
from api.maintenance.orders_records import OPEN
from api.maintenance.tables import WorkPhoto
from api.records.files import FileSizeError, Kept, check
from api.records.service import UnknownRecordError
from shopfloor.periods import format_instant

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from api.audit.service import Actor
    from api.maintenance.tables import WorkOrder

PHOTOS_MAX = 30
"""Most photos of one work order."""
ORDER_BYTES_MAX = 150_000_000
"""Most bytes of all photos of one work order."""


def add(session: Session, actor: Actor, row: WorkOrder, new: tuple[str, bytes], *, photo_id: str, now: int) -> Any:
    """Keep a photo of a work order, also of one that is closed: pictures are often sent when the work is over.

    Args:
        session: from `Records.writing`.
        actor: who does it.
        row: the work order.
        new: what it is called, and its content.
        photo_id: a new identifier.
        now: when.

    Returns:
        What is kept of it, without its content.

    Raises:
        FileTypeError: it is no JPEG, PNG or WebP.
        FileSizeError: it is too large, or there are too many.
    """
    name, content = new
    media_type = check("photo", content)
    of_order = WorkPhoto.work_order == row.number
    bytes_kept = func.coalesce(func.sum(func.length(WorkPhoto.content)), 0)
    count, total = session.execute(select(func.count(), bytes_kept).where(of_order)).one()
    if count >= PHOTOS_MAX or total + len(content) > ORDER_BYTES_MAX:
        most = f"{PHOTOS_MAX} photos with {ORDER_BYTES_MAX // 1_000_000} MB"
        raise FileSizeError(f"a work order has at most {most}: remove one, or open another order")
    session.add(
        WorkPhoto(id=photo_id, work_order=row.number, name=name, media_type=media_type, content=content, added=now)
    )
    session.flush()
    after = _listed(session, row.number, photo_id)[0]
    told = after | {"sha256": hashlib.sha256(content).hexdigest()}
    record(session, actor, "add", f"work-orders/{row.number}/photos", now=now, after=told)
    return after


def listed(session: Session, number: int) -> list[dict[str, Any]]:
    """Return the photos of a work order, the oldest first, without their content."""
    return _listed(session, number)


def content_of(session: Session, number: int, photo_id: str) -> Kept:
    """Return a photo.

    Raises:
        UnknownRecordError: this work order has none of that id.
    """
    row = session.get(WorkPhoto, photo_id) if photo_id.isalnum() and photo_id.isascii() else None
    if row is None or row.work_order != number:
        raise UnknownRecordError(photo_id)
    return Kept(row.name, row.media_type, row.content)


def remove(session: Session, actor: Actor, row: WorkOrder, photo_id: str, *, now: int) -> None:
    """Remove a photo of an order that is still open; what belongs to a closed one stays on record.

    Raises:
        UnknownRecordError: this work order has none of that id.
        ActionRefusedError: the order is closed or cancelled.
    """
    found = _listed(session, row.number, photo_id) if photo_id.isalnum() and photo_id.isascii() else []
    if not found:
        raise UnknownRecordError(photo_id)
    if row.state not in OPEN:
        raise ActionRefusedError(f"work order {row.number} is {row.state}: its photos stay on record")
    session.execute(delete(WorkPhoto).where(WorkPhoto.id == photo_id))
    record(session, actor, "remove", f"work-orders/{row.number}/photos", now=now, before=found[0])


def _listed(session: Session, number: int, photo_id: str | None = None) -> list[dict[str, Any]]:
    wanted = select(
        WorkPhoto.id, WorkPhoto.name, WorkPhoto.media_type, WorkPhoto.added, func.length(WorkPhoto.content)
    ).where(WorkPhoto.work_order == number)
    if photo_id is not None:
        wanted = wanted.where(WorkPhoto.id == photo_id)
    return [
        {
            "id": row.id, "name": row.name, "media_type": row.media_type, "bytes": row[4],
            "added": format_instant(row.added),
        }
        for row in session.execute(wanted.order_by(WorkPhoto.added, WorkPhoto.id))
    ]  # fmt: skip

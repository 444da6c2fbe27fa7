"""The table of the audit trail."""

from __future__ import annotations

from sqlalchemy import String, Text
from sqlalchemy.orm import Mapped, mapped_column

from api.records.base import Base, Stamp


class AuditEntry(Base):
    """One entry of the chain. The database refuses to change or remove it.

    Attributes:
        number: 1, 2, 3 and so on, without a gap.
        at: when.
        subject: what it is about, `members/fratelli-bassi`; repeated from the body, to be searched.
        body: what is chained, JSON.
        digest: of this entry and all before it, see `shopfloor.hashed_log`.
    """

    __tablename__ = "audit"

    number: Mapped[Stamp] = mapped_column(primary_key=True, autoincrement=False)
    at: Mapped[Stamp]
    subject: Mapped[str] = mapped_column(String(160), index=True)
    body: Mapped[str] = mapped_column(Text)
    digest: Mapped[str] = mapped_column(String(64))

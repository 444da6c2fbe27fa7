"""The tables of what is said at a machine: the lists of reasons, and the reasons that were given."""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from api.records.base import Base, Stamp
from api.records.tables import ID_MAX, NAME_MAX

REASON_ID_MAX = 40
_WHO_MAX = 40


class StopList(Base):
    """The reasons from which a person at a machine chooses, in their order.

    Attributes:
        site: of the machines that it is for; empty for every site.
        kind: of the machines that it is for; empty for every kind.
        reasons: objects with id, it and en.
    """

    __tablename__ = "stop_lists"

    site: Mapped[str] = mapped_column(String(ID_MAX), primary_key=True)
    kind: Mapped[str] = mapped_column(String(NAME_MAX), primary_key=True)
    reasons: Mapped[list[dict[str, Any]]] = mapped_column(JSON)


class StopTag(Base):
    """The reason that somebody gave for a stop; never changed: the newest of a stop holds.

    Attributes:
        at: an instant inside the stop.
        reason: its identifier.
        it: what it was called in Italian when it was given.
        en: and in English.
        by: who gave it: `person:ID`, `key:ID`.
        entered: when.
    """

    __tablename__ = "stop_tags"
    __table_args__ = (Index("ix_stop_tags_machine_id_at", "machine_id", "at"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    machine_id: Mapped[str] = mapped_column(ForeignKey("machines.id"))
    at: Mapped[Stamp]
    reason: Mapped[str] = mapped_column(String(REASON_ID_MAX))
    it: Mapped[str] = mapped_column(String(NAME_MAX))
    en: Mapped[str] = mapped_column(String(NAME_MAX))
    by: Mapped[str] = mapped_column(String(_WHO_MAX))
    entered: Mapped[Stamp]

"""The tables of the watch: who leads, and how each of its jobs fared."""

from __future__ import annotations

from sqlalchemy import String, Text
from sqlalchemy.orm import Mapped, mapped_column

from api.records.base import Base, Stamp

NAME_MAX = 32


class Lease(Base):
    """What one process at a time holds.

    Attributes:
        name: what it is about.
        holder: random name of the process that holds it.
        beat: grows while the holder lives; compared with itself only, so that nobody's clock matters.
    """

    __tablename__ = "leases"

    name: Mapped[str] = mapped_column(String(NAME_MAX), primary_key=True)
    holder: Mapped[str] = mapped_column(String(NAME_MAX))
    beat: Mapped[Stamp]


class JobRun(Base):
    """How a job of the watch fared when it ran last.

    Attributes:
        ended: when it last ran to its end; 0 when it never has.
        failed: when it last failed; 0 when it never has.
        error: the sentence of that failure, empty once it ran to its end again.
    """

    __tablename__ = "watch_jobs"

    name: Mapped[str] = mapped_column(String(NAME_MAX), primary_key=True)
    ended: Mapped[Stamp] = mapped_column(default=0)
    failed: Mapped[Stamp] = mapped_column(default=0)
    error: Mapped[str] = mapped_column(Text, default="")

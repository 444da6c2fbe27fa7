"""Logins of the broker, and the codes that wait for an agent."""

from __future__ import annotations

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from api.records.base import Base, Stamp
from api.records.tables import ID_MAX

HASH_MAX = 200
_SHA256 = 64


class BrokerLogin(Base):
    """A login of the broker.

    Attributes:
        name: user name; the PublisherId of a publisher.
        kind: what it is, see `shopfloor.wire.rights.Kind`; its rights follow from that.
        password_hash: as the broker reads it.
        since: when it got its password.
    """

    __tablename__ = "broker_logins"

    name: Mapped[str] = mapped_column(String(ID_MAX), primary_key=True)
    kind: Mapped[str] = mapped_column(String(20))
    password_hash: Mapped[str] = mapped_column(String(HASH_MAX))
    since: Mapped[Stamp]


class EnrolmentCode(Base):
    """A one-time code.

    Attributes:
        agent_id: whom it enrols.
        digest: of the code.
        expires: when it is void.
        used_by: tells who used it, None before that.
    """

    __tablename__ = "enrolment_codes"

    agent_id: Mapped[str] = mapped_column(ForeignKey("edge_agents.id", ondelete="CASCADE"), primary_key=True)
    digest: Mapped[str] = mapped_column(String(_SHA256))
    expires: Mapped[Stamp]
    used_by: Mapped[str | None] = mapped_column(String(_SHA256))

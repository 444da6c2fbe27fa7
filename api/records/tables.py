"""The tables of the consortium: issuer, members, sites, edge agents, machines and calendars."""

from __future__ import annotations

from datetime import date
from typing import Any

from sqlalchemy import JSON, CheckConstraint, ForeignKey, LargeBinary, Numeric, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from api.records.base import Base, Stamp

ID_MAX = 63
"""Longest identifier, as `shopfloor.signals.is_identifier` has it."""
NAME_MAX = 120
LEGAL_NAME_MAX = 80
"""Denominazione of FatturaPA 1.2.2 (Schema_VFPR12: String80LatinType)."""
STREET_MAX = TOWN_MAX = 60
"""Indirizzo and Comune of FatturaPA 1.2.2 (String60LatinType)."""
EMAIL_MAX = 254
"""Longest address that mail can be sent to (RFC 5321, 4.5.3.1.3, less the angle brackets)."""
_ONE_ROW = 1


class Firm:
    """What a tax document says of a firm, whichever side it stands on. Empty text is what is not known."""

    legal_name: Mapped[str] = mapped_column(String(LEGAL_NAME_MAX))
    partita_iva: Mapped[str] = mapped_column(String(11), default="")
    codice_fiscale: Mapped[str] = mapped_column(String(16), default="")
    sdi_code: Mapped[str] = mapped_column(String(7), default="")
    pec: Mapped[str] = mapped_column(String(EMAIL_MAX), default="")
    street: Mapped[str] = mapped_column(String(STREET_MAX), default="")
    postal_code: Mapped[str] = mapped_column(String(5), default="")
    town: Mapped[str] = mapped_column(String(TOWN_MAX), default="")
    province: Mapped[str] = mapped_column(String(2), default="")
    country: Mapped[str] = mapped_column(String(2), default="IT")
    rea_office: Mapped[str] = mapped_column(String(2), default="")
    rea_number: Mapped[str] = mapped_column(String(20), default="")


class Consortium(Firm, Base):
    """The consortium as issuer of statements: one row, which the administrator fills in.

    Attributes:
        legal_form: what it is in law; decides whether it can invoice (a network contract without personality cannot).
        regime: RegimeFiscale, RF01 to RF20.
        iban: where members pay.
        payment_days: from a statement's date to when it is due.
        payment_method: ModalitaPagamento, MP01 to MP23.
        invoices: its statements are electronic invoices too; else they are statements only.
    """

    __tablename__ = "consortium"
    __table_args__ = (CheckConstraint(f"id = {_ONE_ROW}", name="one_row"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False, default=_ONE_ROW)
    legal_form: Mapped[str] = mapped_column(String(24))
    regime: Mapped[str] = mapped_column(String(4), default="RF01")
    iban: Mapped[str] = mapped_column(String(34), default="")
    payment_days: Mapped[int] = mapped_column(default=30)
    payment_method: Mapped[str] = mapped_column(String(4), default="MP05")
    invoices: Mapped[bool] = mapped_column(default=False)


class Member(Firm, Base):
    """A member firm.

    Attributes:
        id: its code, for ever; orders the shares of a rounding.
        email: where its office is reached.
        group_name: members of one group may have one tariff.
        active_from: first day of its membership.
        active_to: first day on which it is no member any more, None while it is one.
    """

    __tablename__ = "members"
    __table_args__ = (CheckConstraint("active_to IS NULL OR active_to >= active_from", name="active"),)

    id: Mapped[str] = mapped_column(String(ID_MAX), primary_key=True)
    email: Mapped[str] = mapped_column(String(EMAIL_MAX), default="")
    group_name: Mapped[str] = mapped_column(String(NAME_MAX), default="")
    active_from: Mapped[date]
    active_to: Mapped[date | None]


class Site(Base):
    """Where machines stand."""

    __tablename__ = "sites"

    id: Mapped[str] = mapped_column(String(ID_MAX), primary_key=True)
    name: Mapped[str] = mapped_column(String(NAME_MAX), unique=True)
    street: Mapped[str] = mapped_column(String(STREET_MAX), default="")
    postal_code: Mapped[str] = mapped_column(String(5), default="")
    town: Mapped[str] = mapped_column(String(TOWN_MAX), default="")
    province: Mapped[str] = mapped_column(String(2), default="")


class EdgeAgent(Base):
    """A program that speaks for machines over MQTT: an edge agent, or a third party's publisher.

    Attributes:
        id: its PublisherId.
        is_active: whether it may speak at all.
    """

    __tablename__ = "edge_agents"

    id: Mapped[str] = mapped_column(String(ID_MAX), primary_key=True)
    site_id: Mapped[str] = mapped_column(ForeignKey("sites.id"))
    name: Mapped[str] = mapped_column(String(NAME_MAX), default="")
    is_active: Mapped[bool] = mapped_column(default=True)


class Machine(Base):
    """A machine that members share.

    Attributes:
        id: its identifier, for ever.
        name: what people call it, short.
        kind: what it is, in the consortium's words.
        agent_id: the agent that speaks for it, and the only one that may; None for equipment that says nothing, whose
            use is what people say when they check in and out.
        signals: what that agent may publish; empty means every signal of the standard table.
        writer_id: DataSetWriterId that a third-party publisher uses for it.
        nominal_power_kw: of the nameplate.
        tariff_group: machines of one group may have one tariff.
        contacts: who to call: objects with name, purpose, phone and email.
        active_from: first day on which it is shared.
        active_to: first day on which it is shared no more, None while it is.
    """

    __tablename__ = "machines"
    __table_args__ = (
        UniqueConstraint("site_id", "name"),
        UniqueConstraint("agent_id", "writer_id"),
        CheckConstraint("active_to IS NULL OR active_from IS NULL OR active_to >= active_from", name="active"),
        CheckConstraint("writer_id BETWEEN 0 AND 65535", name="writer_id"),
    )

    id: Mapped[str] = mapped_column(String(ID_MAX), primary_key=True)
    name: Mapped[str] = mapped_column(String(NAME_MAX))
    kind: Mapped[str] = mapped_column(String(NAME_MAX), default="")
    site_id: Mapped[str] = mapped_column(ForeignKey("sites.id"))
    agent_id: Mapped[str | None] = mapped_column(ForeignKey("edge_agents.id"))
    signals: Mapped[list[str]] = mapped_column(JSON, default=list)
    writer_id: Mapped[int | None]
    maker: Mapped[str] = mapped_column(String(NAME_MAX), default="")
    model: Mapped[str] = mapped_column(String(NAME_MAX), default="")
    serial_number: Mapped[str] = mapped_column(String(NAME_MAX), default="")
    built_year: Mapped[int | None]
    nominal_power_kw: Mapped[float | None] = mapped_column(Numeric(9, 3, asdecimal=False))
    tariff_group: Mapped[str] = mapped_column(String(NAME_MAX), default="")
    contacts: Mapped[list[dict[str, Any]]] = mapped_column(JSON, default=list)
    active_from: Mapped[date | None]
    active_to: Mapped[date | None]


class MachineMove(Base):
    """An agent that a machine was moved away from: what it spooled before that is still taken from it.

    Attributes:
        until: when the machine was given to another agent.
    """

    __tablename__ = "machine_moves"

    machine_id: Mapped[str] = mapped_column(ForeignKey("machines.id", ondelete="CASCADE"), primary_key=True)
    agent_id: Mapped[str] = mapped_column(ForeignKey("edge_agents.id", ondelete="CASCADE"), primary_key=True)
    until: Mapped[Stamp]


class MachineFile(Base):
    """A manual or the photo of a machine."""

    __tablename__ = "machine_files"
    __table_args__ = (CheckConstraint("purpose IN ('manual', 'photo')", name="purpose"),)

    id: Mapped[str] = mapped_column(String(16), primary_key=True)
    machine_id: Mapped[str] = mapped_column(ForeignKey("machines.id"), index=True)
    purpose: Mapped[str] = mapped_column(String(8))
    name: Mapped[str] = mapped_column(String(NAME_MAX))
    media_type: Mapped[str] = mapped_column(String(80))
    content: Mapped[bytes] = mapped_column(LargeBinary)
    added: Mapped[Stamp]


class Calendar(Base):
    """Working hours and holidays, in civil time.

    Attributes:
        zone: IANA name of its civil time.
    """

    __tablename__ = "calendars"

    id: Mapped[str] = mapped_column(String(ID_MAX), primary_key=True)
    name: Mapped[str] = mapped_column(String(NAME_MAX))
    zone: Mapped[str] = mapped_column(String(64), default="Europe/Rome")


class CalendarHours(Base):
    """Hours that are worked on each such day of the week.

    Attributes:
        weekday: 0 is Monday.
        starts_minute: minutes from midnight of the wall clock.
        ends_minute: first minute not worked; 1440 is the end of the day.
    """

    __tablename__ = "calendar_hours"
    __table_args__ = (
        CheckConstraint("weekday BETWEEN 0 AND 6", name="weekday"),
        CheckConstraint("0 <= starts_minute AND starts_minute < ends_minute AND ends_minute <= 1440", name="minutes"),
    )

    calendar_id: Mapped[str] = mapped_column(ForeignKey("calendars.id", ondelete="CASCADE"), primary_key=True)
    weekday: Mapped[int] = mapped_column(primary_key=True)
    starts_minute: Mapped[int] = mapped_column(primary_key=True)
    ends_minute: Mapped[int]


class CalendarDay(Base):
    """A day that is unlike its day of the week: a holiday, a closing, or a day worked in addition."""

    __tablename__ = "calendar_days"
    __table_args__ = (CheckConstraint("kind IN ('holiday', 'closed', 'worked')", name="kind"),)

    calendar_id: Mapped[str] = mapped_column(ForeignKey("calendars.id", ondelete="CASCADE"), primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(8))
    name: Mapped[str] = mapped_column(String(NAME_MAX), default="")


class CalendarMachine(Base):
    """A machine that can be used and booked in the hours of a calendar; one without can be at any time."""

    __tablename__ = "calendar_machines"

    machine_id: Mapped[str] = mapped_column(ForeignKey("machines.id", ondelete="CASCADE"), primary_key=True)
    calendar_id: Mapped[str] = mapped_column(ForeignKey("calendars.id", ondelete="CASCADE"), index=True)


class Change(Base):
    """How often something was written, so that every process notices that what it holds is old.

    Attributes:
        name: `machines` or `access`.
    """

    __tablename__ = "changes"

    name: Mapped[str] = mapped_column(String(16), primary_key=True)
    number: Mapped[Stamp] = mapped_column(default=0)

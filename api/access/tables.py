"""The tables of access: people, what they may do, and what proves who they are."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, ForeignKey, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from api.records.base import Base, Stamp
from api.records.tables import EMAIL_MAX, ID_MAX, NAME_MAX

RANDOM_ID_MAX = 16
HASH_MAX = 200


class Person(Base):
    """Somebody who signs in.

    Attributes:
        email: in lower case; what they sign in with.
        password_hash: argon2id, empty until an invitation is taken up.
        totp_secret: of the second factor, empty without one.
        totp_step: the newest time step whose code was used, so that none works twice.
        is_active: whether they may sign in.
    """

    __tablename__ = "people"

    id: Mapped[str] = mapped_column(String(RANDOM_ID_MAX), primary_key=True)
    email: Mapped[str] = mapped_column(String(EMAIL_MAX), unique=True)
    name: Mapped[str] = mapped_column(String(NAME_MAX))
    language: Mapped[str] = mapped_column(String(2), default="it")
    password_hash: Mapped[str] = mapped_column(String(HASH_MAX), default="")
    totp_secret: Mapped[str] = mapped_column(String(64), default="")
    totp_step: Mapped[Stamp] = mapped_column(default=0)
    is_active: Mapped[bool] = mapped_column(default=True)
    created: Mapped[Stamp]


class GrantSite(Base):
    """A site that a role is granted at."""

    __tablename__ = "grant_sites"

    grant_id: Mapped[str] = mapped_column(ForeignKey("grants.id", ondelete="CASCADE"), primary_key=True)
    site_id: Mapped[str] = mapped_column(ForeignKey("sites.id"), primary_key=True)


class Grant(Base):
    """A role that a person, or an API key, has.

    Attributes:
        person_id: None for a grant of an API key alone.
        role: one of `api.access.scope.Role`.
        member_id: the firm of a member, None for every other role.
        every_site: it holds at all sites, also at those to come; otherwise at `sites` alone.
    """

    __tablename__ = "grants"
    __table_args__ = (
        CheckConstraint("(role = 'member') = (member_id IS NOT NULL)", name="member"),
        CheckConstraint("role IN ('administrator', 'operator', 'maintenance', 'member', 'kiosk')", name="role"),
    )

    id: Mapped[str] = mapped_column(String(RANDOM_ID_MAX), primary_key=True)
    person_id: Mapped[str | None] = mapped_column(ForeignKey("people.id", ondelete="CASCADE"), index=True)
    role: Mapped[str] = mapped_column(String(16))
    member_id: Mapped[str | None] = mapped_column(String(ID_MAX), ForeignKey("members.id"))
    every_site: Mapped[bool]
    sites: Mapped[list[GrantSite]] = relationship(lazy="selectin", cascade="all, delete-orphan", passive_deletes=True)


class ApiKey(Base):
    """A key for a program.

    Attributes:
        id: names the key in logs; part of the token.
        sha256: of the whole token, in hexadecimal.
        writes: whether it may change anything.
        expires: from then on it opens nothing.
        used: when it was used last, to the minute; None when never.
    """

    __tablename__ = "api_keys"

    id: Mapped[str] = mapped_column(String(RANDOM_ID_MAX), primary_key=True)
    name: Mapped[str] = mapped_column(String(NAME_MAX))
    sha256: Mapped[str] = mapped_column(String(64))
    grant_id: Mapped[str] = mapped_column(ForeignKey("grants.id", ondelete="CASCADE"), index=True)
    writes: Mapped[bool] = mapped_column(default=False)
    created: Mapped[Stamp]
    expires: Mapped[Stamp | None]
    used: Mapped[Stamp | None]


class Session(Base):
    """A browser that is signed in.

    Attributes:
        sha256: of its token, in hexadecimal.
        grant_id: the role in which the person acts.
        used: when it was used last, to the minute.
        expires: it ends then, however much it is used.
        address: where it was opened from.
        browser: what it said of itself.
    """

    __tablename__ = "sessions"

    id: Mapped[str] = mapped_column(String(RANDOM_ID_MAX), primary_key=True)
    sha256: Mapped[str] = mapped_column(String(64), unique=True)
    person_id: Mapped[str] = mapped_column(ForeignKey("people.id", ondelete="CASCADE"), index=True)
    grant_id: Mapped[str] = mapped_column(ForeignKey("grants.id", ondelete="CASCADE"), index=True)
    created: Mapped[Stamp]
    used: Mapped[Stamp]
    expires: Mapped[Stamp]
    address: Mapped[str] = mapped_column(String(45), default="")
    browser: Mapped[str] = mapped_column(String(200), default="")


class Invitation(Base):
    """A link that lets one person choose a password, once.

    Attributes:
        sha256: of its token, in hexadecimal.
        purpose: `invitation` or `reset`.
        used: when it was taken up, None while it was not.
        keeps_factor: its owner asked for it by e-mail: it changes the password, and leaves the second factor there.
    """

    __tablename__ = "invitations"
    __table_args__ = (CheckConstraint("purpose IN ('invitation', 'reset')", name="purpose"),)

    id: Mapped[str] = mapped_column(String(RANDOM_ID_MAX), primary_key=True)
    sha256: Mapped[str] = mapped_column(String(64), unique=True)
    person_id: Mapped[str] = mapped_column(ForeignKey("people.id", ondelete="CASCADE"), index=True)
    purpose: Mapped[str] = mapped_column(String(10))
    created: Mapped[Stamp]
    expires: Mapped[Stamp]
    used: Mapped[Stamp | None]
    keeps_factor: Mapped[bool] = mapped_column(default=False)


class Secret(Base):
    """A secret that every process of this installation shares, made at the first start.

    Attributes:
        name: what it is for.
    """

    __tablename__ = "secrets"

    name: Mapped[str] = mapped_column(String(16), primary_key=True)
    value: Mapped[bytes] = mapped_column(LargeBinary)

"""What one caller may see: made from the caller alone, demanded by every query."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """What a caller is for the consortium."""

    ADMINISTRATOR = "administrator"
    OPERATOR = "operator"
    MAINTENANCE = "maintenance"
    MEMBER = "member"
    KIOSK = "kiosk"


STAFF = frozenset({Role.ADMINISTRATOR, Role.OPERATOR, Role.MAINTENANCE})
"""Roles that look after machines, whoever's job runs on them."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What one caller may see.

    Attributes:
        role: the caller's role.
        member: the firm that a member speaks for, None for every other role.
        sites: the sites that the caller is bound to, none of them visible when it is empty; None means every site.
    """

    role: Role
    member: str | None = None
    sites: frozenset[str] | None = None

    def sees(self, site: str) -> bool:
        """Tell whether the state of the machines at a site is visible."""
        return self.sites is None or site in self.sites

    def sees_member(self, member: str) -> bool:
        """Tell whether the record of a firm is visible: to itself and to the administrator."""
        return self.role is Role.ADMINISTRATOR or (self.role is Role.MEMBER and self.member == member)

    @property
    def sees_work(self) -> bool:
        """Whether program, job, order, parts and signals are visible at any time.

        What a firm makes is that firm's own: a member sees it inside its own sessions alone, which `sees_work_of`
        decides.
        """
        return self.role in STAFF

    def sees_work_of(self, payer: str | None) -> bool:
        """Tell whether the work of a session is visible, by the firm that the session is charged to.

        Args:
            payer: that firm; None while it is not known, and then no member sees it.
        """
        return self.sees_work or (self.role is Role.MEMBER and payer is not None and payer == self.member)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who is asking.

    Attributes:
        id: `person:ID` or `key:ID`, also in the audit trail.
        name: what people call the holder.
        scope: what it may see.
        by_cookie: it came with a session cookie, which a browser also sends when another site asks it to.
        credential: the session or key that proves it; access ends with it.
        writes: whether it may change anything at all.
    """

    id: str
    name: str
    scope: Scope
    by_cookie: bool = False
    credential: str = ""
    writes: bool = False

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
        sites: the sites that the caller is bound to; empty means every site.
    """

    role: Role
    member: str | None = None
    sites: frozenset[str] = frozenset()

    def sees(self, site: str) -> bool:
        """Tell whether the state of the machines at a site is visible."""
        return not self.sites or site in self.sites

    @property
    def sees_work(self) -> bool:
        """Whether program, job, order, parts and signals are visible: what a firm makes is that firm's own."""
        return self.role in STAFF


@dataclass(frozen=True, slots=True)
class Caller:
    """Who is asking.

    Attributes:
        key_id: the API key that proves it.
        name: what people call the holder of that key.
        scope: what it may see.
        by_cookie: it came with a session cookie, which a browser also sends when another site asks it to.
    """

    key_id: str
    name: str
    scope: Scope
    by_cookie: bool = False

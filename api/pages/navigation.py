"""Where each kind of person can go: the entries of the bar, and those of the administration."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from api.access.scope import Role
from api.pages.words import mark

if TYPE_CHECKING:
    from collections.abc import Iterable

    from api.pages.words import Words

_EVERYBODY = frozenset(Role) - {Role.KIOSK}
_ADMINISTRATOR = frozenset({Role.ADMINISTRATOR})
_CARE = frozenset({Role.ADMINISTRATOR, Role.MAINTENANCE})
_MONEY = frozenset({Role.ADMINISTRATOR, Role.MEMBER})
_STAFF = frozenset({Role.ADMINISTRATOR, Role.OPERATOR, Role.MAINTENANCE})


class Place(NamedTuple):
    """A page, or a group of pages, that can be gone to.

    Attributes:
        path: its address; everything below belongs to it.
        name: what it is called.
        roles: who may go there.
    """

    path: str
    name: str
    roles: frozenset[Role]


BAR = (
    Place("/", mark("Machines"), _EVERYBODY),
    Place("/inbox", mark("Alerts"), _EVERYBODY),
    Place("/plan", mark("Plan"), _CARE),
    Place("/work-orders", mark("Work orders"), _CARE),
    Place("/charges", mark("Charges"), _MONEY),
    Place("/statements", mark("Statements"), frozenset({Role.MEMBER})),
    Place("/bookings", mark("Bookings"), _EVERYBODY),
    Place("/fleet", mark("Fleet"), _STAFF),
    Place("/decide", mark("To decide"), _ADMINISTRATOR),
    Place("/closing", mark("Closing"), _ADMINISTRATOR),
    Place("/wall", mark("Wall"), _STAFF | {Role.KIOSK}),
    Place("/administration", mark("Administration"), _ADMINISTRATOR),
)
"""The entries of the bar, in their order."""

ADMINISTRATION = (
    Place("/administration/members", mark("Members"), _ADMINISTRATOR),
    Place("/administration/consortium", mark("Consortium"), _ADMINISTRATOR),
    Place("/administration/sites", mark("Sites"), _ADMINISTRATOR),
    Place("/administration/machines", mark("Machines"), _ADMINISTRATOR),
    Place("/administration/agents", mark("Agents"), _ADMINISTRATOR),
    Place("/administration/hours", mark("Opening hours"), _ADMINISTRATOR),
    Place("/administration/attribution", mark("Who pays"), _ADMINISTRATOR),
    Place("/administration/escalation", mark("Chain of alerts"), _ADMINISTRATOR),
    Place("/administration/people", mark("People"), _ADMINISTRATOR),
    Place("/administration/keys", mark("Keys and screens"), _ADMINISTRATOR),
    Place("/administration/audit", mark("Audit trail"), _ADMINISTRATOR),
)
"""The parts of the administration."""

_BELOW = {"/charges": ("/prices",), "/": ("/machines",), "/inbox": ("/alerts", "/rules")}
"""Addresses that belong to an entry and do not begin with its own."""


class Entry(NamedTuple):
    """An entry as the page shows it."""

    path: str
    name: str
    is_here: bool


def entries(places: Iterable[Place], role: Role, here: str, say: Words) -> list[Entry]:
    """Return the entries that a role has, with the one that the page belongs to."""
    return [Entry(each.path, say(each.name), _holds(each.path, here)) for each in places if role in each.roles]


def _holds(path: str, here: str) -> bool:
    below = (path, *_BELOW.get(path, ()))
    return any(here == each or (each != "/" and here.startswith(f"{each}/")) for each in below)

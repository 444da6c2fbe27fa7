"""The one table of what each route demands. A route that is not in it is closed."""

from __future__ import annotations

from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING

from api.access.scope import STAFF, Role

if TYPE_CHECKING:
    from collections.abc import Mapping


class Rule(StrEnum):
    """What a route demands of who asks."""

    PUBLIC = "public"
    """Nothing: it shows nothing of machines, people or firms."""
    CODE = "code"
    """A one-time code that the request carries, and nothing else: nobody's session or key counts."""
    EDGES = "edges"
    """Who may speak for machines at the broker."""
    METRICS = "metrics"
    """Counters for monitoring; also open to a program on this machine that asks directly."""
    MACHINES = "machines"
    """State of machines."""
    SIGNALS = "signals"
    """What machines are working on and what they measure."""
    PAGES = "pages"
    """A page that a person looks at; who is not signed in is led to the sign-in page."""


_EVERYBODY = frozenset(Role)

ROLES: Mapping[Rule, frozenset[Role]] = MappingProxyType(
    {
        Rule.PUBLIC: _EVERYBODY,
        Rule.CODE: frozenset(),
        Rule.EDGES: frozenset({Role.ADMINISTRATOR}),
        Rule.METRICS: frozenset({Role.ADMINISTRATOR, Role.MAINTENANCE}),
        Rule.MACHINES: _EVERYBODY,
        Rule.SIGNALS: STAFF,
        Rule.PAGES: _EVERYBODY,
    },
)
"""Who passes each rule."""

RULES: Mapping[tuple[str, str], Rule] = MappingProxyType(
    {
        ("GET", "/healthz"): Rule.PUBLIC,
        ("GET", "/readyz"): Rule.PUBLIC,
        ("GET", "/metrics"): Rule.METRICS,
        ("GET", "/api/v1/openapi.json"): Rule.PUBLIC,
        ("GET", "/api/v1/machines"): Rule.MACHINES,
        ("GET", "/api/v1/machines/{machine_id}"): Rule.MACHINES,
        ("GET", "/api/v1/machines/{machine_id}/states"): Rule.MACHINES,
        ("GET", "/api/v1/machines/{machine_id}/signals"): Rule.SIGNALS,
        ("GET", "/api/v1/live"): Rule.MACHINES,
        ("GET", "/api/v1/edges"): Rule.EDGES,
        ("POST", "/api/v1/edges/enroll"): Rule.CODE,
        ("POST", "/api/v1/edges/{edge_id}/code"): Rule.EDGES,
        ("DELETE", "/api/v1/edges/{edge_id}/login"): Rule.EDGES,
        ("GET", "/"): Rule.PAGES,
        ("GET", "/fragments/machines"): Rule.PAGES,
        ("GET", "/sign-in"): Rule.PUBLIC,
        ("POST", "/sign-in"): Rule.PUBLIC,
        ("POST", "/sign-out"): Rule.PUBLIC,
        ("GET", "/static/{name}"): Rule.PUBLIC,
    },
)
"""What each method and path template demands."""


def rule_of(method: str, template: str) -> Rule | None:
    """Return what a route demands; None for a route without a rule, which nobody may use."""
    return RULES.get((method, template))


def allows(rule: Rule | None, role: Role) -> bool:
    """Tell whether a role passes a rule. No rule lets nobody pass."""
    return rule is not None and role in ROLES[rule]

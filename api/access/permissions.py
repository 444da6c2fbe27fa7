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
    METRICS = "metrics"
    """Counters for monitoring; also open to a program on this machine that asks directly."""
    MACHINES = "machines"
    """State of machines."""
    SIGNALS = "signals"
    """What machines are working on and what they measure: a member's own sessions alone."""
    OWN = "own"
    """What belongs to the person that asks: its sessions, password and second factor."""
    RECORDS = "records"
    """Reading records: each sees those of its own firm and sites."""
    EDGES = "edges"
    """The programs that speak for machines: for who looks after them."""
    CHANGES = "changes"
    """Changing records, people and keys, and looking at them."""
    BOOKINGS = "bookings"
    """When machines are booked, and by oneself: everybody but a screen on a wall."""
    BOOKING = "booking"
    """Booking machines, for one's own firm or at the desk."""
    LOCKS = "locks"
    """Locking machines that have to be looked after."""
    FEED = "feed"
    """An unguessable address, which is the right to what it shows: nobody's session or key counts."""
    EVIDENCE = "evidence"
    """Who used a machine, and asking for corrections: each member for its own firm."""
    FLOOR = "floor"
    """What is said at a machine by who works there or looks after it; the names of the firms that share it."""
    DECISIONS = "decisions"
    """Deciding what others asked for, and what is the consortium's."""
    DECIDING = "deciding"
    """What has to be decided before a month is closed."""
    MONEY = "money"
    """What use costs: each member sees its own, the administrator all."""
    ALERTS = "alerts"
    """What happens to machines: staff see their sites', a firm what concerned its own running job."""
    CARE = "care"
    """Looking after machines: handling alerts, work orders, rules."""
    PAGES = "pages"
    """A page that a person looks at; who is not signed in is led to the sign-in page."""


_EVERYBODY = frozenset(Role)

ROLES: Mapping[Rule, frozenset[Role]] = MappingProxyType(
    {
        Rule.PUBLIC: _EVERYBODY,
        Rule.CODE: frozenset(),
        Rule.METRICS: frozenset({Role.ADMINISTRATOR, Role.MAINTENANCE}),
        Rule.MACHINES: _EVERYBODY,
        Rule.SIGNALS: STAFF | {Role.MEMBER},
        Rule.OWN: _EVERYBODY,
        Rule.RECORDS: _EVERYBODY - {Role.KIOSK},
        Rule.EDGES: STAFF,
        Rule.CHANGES: frozenset({Role.ADMINISTRATOR}),
        Rule.BOOKINGS: _EVERYBODY - {Role.KIOSK},
        Rule.BOOKING: frozenset({Role.ADMINISTRATOR, Role.OPERATOR, Role.MEMBER}),
        Rule.LOCKS: frozenset({Role.ADMINISTRATOR, Role.MAINTENANCE}),
        Rule.FEED: frozenset(),
        Rule.EVIDENCE: _EVERYBODY - {Role.KIOSK},
        Rule.FLOOR: STAFF,
        Rule.DECISIONS: frozenset({Role.ADMINISTRATOR, Role.MAINTENANCE}),
        Rule.DECIDING: frozenset({Role.ADMINISTRATOR, Role.OPERATOR}),
        Rule.MONEY: frozenset({Role.ADMINISTRATOR, Role.MEMBER}),
        Rule.ALERTS: _EVERYBODY - {Role.KIOSK},
        Rule.CARE: frozenset({Role.ADMINISTRATOR, Role.MAINTENANCE}),
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
        ("GET", "/api/v1/quarantine"): Rule.CHANGES,
        ("GET", "/api/v1/me"): Rule.OWN,
        ("GET", "/api/v1/me/sessions"): Rule.OWN,
        ("DELETE", "/api/v1/me/sessions/{session_id}"): Rule.OWN,
        ("POST", "/api/v1/me/password"): Rule.OWN,
        ("DELETE", "/api/v1/me/sessions"): Rule.OWN,
        ("POST", "/api/v1/me/second-factor"): Rule.OWN,
        ("POST", "/api/v1/me/second-factor/confirm"): Rule.OWN,
        ("POST", "/api/v1/me/second-factor/remove"): Rule.OWN,
        ("GET", "/api/v1/consortium"): Rule.RECORDS,
        ("PUT", "/api/v1/consortium"): Rule.CHANGES,
        ("GET", "/api/v1/members"): Rule.RECORDS,
        ("GET", "/api/v1/members.csv"): Rule.CHANGES,
        ("POST", "/api/v1/members.csv"): Rule.CHANGES,
        ("GET", "/api/v1/members/{member_id}"): Rule.RECORDS,
        ("PUT", "/api/v1/members/{member_id}"): Rule.CHANGES,
        ("DELETE", "/api/v1/members/{member_id}"): Rule.CHANGES,
        ("GET", "/api/v1/sites"): Rule.RECORDS,
        ("GET", "/api/v1/sites/{site_id}"): Rule.RECORDS,
        ("PUT", "/api/v1/sites/{site_id}"): Rule.CHANGES,
        ("DELETE", "/api/v1/sites/{site_id}"): Rule.CHANGES,
        ("GET", "/api/v1/edges"): Rule.EDGES,
        ("GET", "/api/v1/edges/{edge_id}"): Rule.EDGES,
        ("PUT", "/api/v1/edges/{edge_id}"): Rule.CHANGES,
        ("DELETE", "/api/v1/edges/{edge_id}"): Rule.CHANGES,
        ("GET", "/api/v1/edges/{edge_id}/health"): Rule.EDGES,
        ("POST", "/api/v1/edges/{edge_id}/requests"): Rule.CHANGES,
        ("GET", "/fleet"): Rule.EDGES,
        ("GET", "/fragments/fleet"): Rule.EDGES,
        ("GET", "/fleet/add"): Rule.CHANGES,
        ("POST", "/fleet/add"): Rule.CHANGES,
        ("POST", "/fleet/add/save"): Rule.CHANGES,
        ("POST", "/api/v1/edges/enroll"): Rule.CODE,
        ("POST", "/api/v1/edges/{edge_id}/code"): Rule.CHANGES,
        ("DELETE", "/api/v1/edges/{edge_id}/login"): Rule.CHANGES,
        ("GET", "/api/v1/machines.csv"): Rule.CHANGES,
        ("POST", "/api/v1/machines.csv"): Rule.CHANGES,
        ("GET", "/api/v1/machines/{machine_id}/files"): Rule.MACHINES,
        ("POST", "/api/v1/machines/{machine_id}/files"): Rule.CHANGES,
        ("GET", "/api/v1/machines/{machine_id}/files/{file_id}"): Rule.MACHINES,
        ("DELETE", "/api/v1/machines/{machine_id}/files/{file_id}"): Rule.CHANGES,
        ("GET", "/api/v1/machines/{machine_id}/record"): Rule.RECORDS,
        ("PUT", "/api/v1/machines/{machine_id}"): Rule.CHANGES,
        ("DELETE", "/api/v1/machines/{machine_id}"): Rule.CHANGES,
        ("GET", "/api/v1/machines/{machine_id}/payer"): Rule.EVIDENCE,
        ("GET", "/api/v1/check-ins"): Rule.EVIDENCE,
        ("POST", "/api/v1/check-ins"): Rule.EVIDENCE,
        ("GET", "/api/v1/stop-reasons"): Rule.FLOOR,
        ("PUT", "/api/v1/stop-reasons"): Rule.CHANGES,
        ("GET", "/api/v1/machines/{machine_id}/stops"): Rule.FLOOR,
        ("POST", "/api/v1/machines/{machine_id}/stops"): Rule.FLOOR,
        ("GET", "/api/v1/payers"): Rule.FLOOR,
        ("GET", "/api/v1/machines/{machine_id}/calls"): Rule.FLOOR,
        ("POST", "/api/v1/machines/{machine_id}/calls"): Rule.FLOOR,
        ("DELETE", "/api/v1/machines/{machine_id}/calls"): Rule.FLOOR,
        ("GET", "/api/v1/corrections"): Rule.EVIDENCE,
        ("POST", "/api/v1/corrections"): Rule.EVIDENCE,
        ("POST", "/api/v1/corrections/{correction_id}/decision"): Rule.CHANGES,
        ("GET", "/api/v1/job-rules"): Rule.CHANGES,
        ("POST", "/api/v1/job-rules"): Rule.CHANGES,
        ("DELETE", "/api/v1/job-rules/{rule_id}"): Rule.CHANGES,
        ("GET", "/api/v1/badges"): Rule.CHANGES,
        ("POST", "/api/v1/badges"): Rule.CHANGES,
        ("GET", "/api/v1/maintenance-times"): Rule.DECISIONS,
        ("POST", "/api/v1/maintenance-times"): Rule.DECISIONS,
        ("POST", "/api/v1/maintenance-times/{time_id}/end"): Rule.DECISIONS,
        ("GET", "/api/v1/tariffs"): Rule.CHANGES,
        ("POST", "/api/v1/tariffs"): Rule.CHANGES,
        ("POST", "/api/v1/tariffs/try"): Rule.CHANGES,
        ("GET", "/api/v1/tariffs/{entry_id}"): Rule.CHANGES,
        ("PUT", "/api/v1/tariffs/{entry_id}"): Rule.CHANGES,
        ("DELETE", "/api/v1/tariffs/{entry_id}"): Rule.CHANGES,
        ("GET", "/api/v1/previews"): Rule.MONEY,
        ("GET", "/api/v1/previews/segments"): Rule.MONEY,
        ("GET", "/api/v1/contests"): Rule.MONEY,
        ("POST", "/api/v1/contests"): Rule.MONEY,
        ("POST", "/api/v1/contests/{contest_id}/decision"): Rule.CHANGES,
        ("GET", "/api/v1/closings"): Rule.CHANGES,
        ("POST", "/api/v1/closings"): Rule.CHANGES,
        ("GET", "/api/v1/statements"): Rule.MONEY,
        ("GET", "/api/v1/statements/{statement_id}"): Rule.MONEY,
        ("GET", "/api/v1/statements/{statement_id}.pdf"): Rule.MONEY,
        ("GET", "/api/v1/statements/{statement_id}.xlsx"): Rule.MONEY,
        ("GET", "/api/v1/statements/{statement_id}.csv"): Rule.MONEY,
        ("GET", "/api/v1/statements/{statement_id}.xml"): Rule.MONEY,
        ("GET", "/api/v1/statements/{statement_id}/segments"): Rule.MONEY,
        ("POST", "/api/v1/statements/{statement_id}/events"): Rule.CHANGES,
        ("POST", "/api/v1/statements/mails"): Rule.CHANGES,
        ("GET", "/api/v1/budgets/{member_id}"): Rule.MONEY,
        ("PUT", "/api/v1/budgets/{member_id}"): Rule.MONEY,
        ("GET", "/api/v1/decisions"): Rule.DECIDING,
        ("GET", "/api/v1/usage"): Rule.MONEY,
        ("GET", "/api/v1/usage.csv"): Rule.MONEY,
        ("GET", "/api/v1/users"): Rule.CHANGES,
        ("POST", "/api/v1/users"): Rule.CHANGES,
        ("GET", "/api/v1/users/{user_id}"): Rule.CHANGES,
        ("PATCH", "/api/v1/users/{user_id}"): Rule.CHANGES,
        ("POST", "/api/v1/users/{user_id}/link"): Rule.CHANGES,
        ("GET", "/api/v1/users/{user_id}/sessions"): Rule.CHANGES,
        ("DELETE", "/api/v1/users/{user_id}/sessions"): Rule.CHANGES,
        ("GET", "/api/v1/api-keys"): Rule.CHANGES,
        ("POST", "/api/v1/api-keys"): Rule.CHANGES,
        ("DELETE", "/api/v1/api-keys/{key_id}"): Rule.CHANGES,
        ("GET", "/api/v1/bookings"): Rule.BOOKINGS,
        ("POST", "/api/v1/bookings"): Rule.BOOKING,
        ("GET", "/api/v1/bookings/free"): Rule.BOOKINGS,
        ("GET", "/api/v1/bookings/{booking_id}"): Rule.BOOKINGS,
        ("PATCH", "/api/v1/bookings/{booking_id}"): Rule.BOOKING,
        ("DELETE", "/api/v1/bookings/{booking_id}"): Rule.BOOKING,
        ("GET", "/api/v1/machines/{machine_id}/bookings.ics"): Rule.BOOKINGS,
        ("GET", "/api/v1/lock-outs"): Rule.BOOKINGS,
        ("POST", "/api/v1/lock-outs"): Rule.LOCKS,
        ("DELETE", "/api/v1/lock-outs/{lock_out_id}"): Rule.LOCKS,
        ("GET", "/api/v1/booking-notices"): Rule.BOOKINGS,
        ("DELETE", "/api/v1/booking-notices/{notice_id}"): Rule.BOOKING,
        ("GET", "/api/v1/booking-feeds"): Rule.BOOKINGS,
        ("POST", "/api/v1/booking-feeds"): Rule.BOOKINGS,
        ("DELETE", "/api/v1/booking-feeds/{feed_id}"): Rule.BOOKINGS,
        ("GET", "/feeds/{token}"): Rule.FEED,
        ("GET", "/api/v1/calendars"): Rule.BOOKINGS,
        ("GET", "/api/v1/calendars/{calendar_id}"): Rule.BOOKINGS,
        ("PUT", "/api/v1/calendars/{calendar_id}"): Rule.CHANGES,
        ("DELETE", "/api/v1/calendars/{calendar_id}"): Rule.CHANGES,
        ("GET", "/api/v1/audit"): Rule.CHANGES,
        ("GET", "/api/v1/audit.jsonl"): Rule.CHANGES,
        ("GET", "/api/v1/alerts"): Rule.ALERTS,
        ("GET", "/api/v1/alerts/{alert_id}"): Rule.ALERTS,
        ("POST", "/api/v1/alerts/{alert_id}/actions"): Rule.CARE,
        ("GET", "/tap/{link}"): Rule.CODE,
        ("POST", "/tap/{link}"): Rule.CODE,
        ("GET", "/api/v1/rules"): Rule.SIGNALS,
        ("GET", "/api/v1/rules/{rule_id}"): Rule.CARE,
        ("PUT", "/api/v1/rules/{rule_id}"): Rule.CARE,
        ("POST", "/api/v1/rules/{rule_id}/backtest"): Rule.CARE,
        ("GET", "/api/v1/work-orders"): Rule.CARE,
        ("POST", "/api/v1/work-orders"): Rule.CARE,
        ("GET", "/api/v1/work-orders/{order_number}"): Rule.CARE,
        ("PATCH", "/api/v1/work-orders/{order_number}"): Rule.CARE,
        ("POST", "/api/v1/work-orders/{order_number}/close"): Rule.CARE,
        ("POST", "/api/v1/work-orders/{order_number}/lock-out"): Rule.CARE,
        ("POST", "/api/v1/work-orders/{order_number}/give-back"): Rule.CARE,
        ("GET", "/api/v1/work-orders/{order_number}/photos"): Rule.CARE,
        ("POST", "/api/v1/work-orders/{order_number}/photos"): Rule.CARE,
        ("GET", "/api/v1/work-orders/{order_number}/photos/{photo_id}"): Rule.CARE,
        ("DELETE", "/api/v1/work-orders/{order_number}/photos/{photo_id}"): Rule.CARE,
        ("GET", "/api/v1/maintenance/plan"): Rule.SIGNALS,
        ("GET", "/api/v1/maintenance/figures"): Rule.CARE,
        ("POST", "/api/v1/maintenance/spares"): Rule.CARE,
        ("GET", "/api/v1/maintenance/escalation"): Rule.CARE,
        ("PUT", "/api/v1/maintenance/escalation"): Rule.CHANGES,
        ("GET", "/api/v1/maintenance/windows"): Rule.CARE,
        ("POST", "/api/v1/maintenance/windows"): Rule.CARE,
        ("DELETE", "/api/v1/maintenance/windows/{window_id}"): Rule.CARE,
        ("GET", "/api/v1/machines/{machine_id}/maintenance"): Rule.SIGNALS,
        ("GET", "/api/v1/me/channels"): Rule.OWN,
        ("POST", "/api/v1/me/channels"): Rule.OWN,
        ("DELETE", "/api/v1/me/channels/{channel_id}"): Rule.OWN,
        ("POST", "/api/v1/me/channels/{channel_id}/test"): Rule.OWN,
        ("GET", "/api/v1/me/duty"): Rule.OWN,
        ("PUT", "/api/v1/me/duty"): Rule.OWN,
        ("GET", "/"): Rule.PAGES,
        ("GET", "/fragments/machines"): Rule.PAGES,
        ("GET", "/charges"): Rule.MONEY,
        ("GET", "/charges/month"): Rule.MONEY,
        ("POST", "/charges/budget"): Rule.MONEY,
        ("GET", "/charges/contest"): Rule.MONEY,
        ("POST", "/charges/contest"): Rule.MONEY,
        ("GET", "/statements"): Rule.MONEY,
        ("GET", "/statements/{statement_id}"): Rule.MONEY,
        ("GET", "/prices"): Rule.MONEY,
        ("GET", "/prices/{entry_id}"): Rule.CHANGES,
        ("POST", "/prices/{entry_id}"): Rule.CHANGES,
        ("GET", "/prices/{entry_id}/version"): Rule.CHANGES,
        ("POST", "/prices/{entry_id}/version"): Rule.CHANGES,
        ("GET", "/bookings"): Rule.BOOKINGS,
        ("GET", "/bookings/machines/{machine_id}"): Rule.BOOKINGS,
        ("GET", "/bookings/new"): Rule.BOOKING,
        ("POST", "/bookings/new"): Rule.BOOKING,
        ("GET", "/bookings/calendars"): Rule.BOOKINGS,
        ("POST", "/bookings/calendars"): Rule.BOOKINGS,
        ("POST", "/bookings/calendars/{feed_id}"): Rule.BOOKINGS,
        ("POST", "/bookings/notices/{notice_id}"): Rule.BOOKING,
        ("GET", "/bookings/{booking_id}"): Rule.BOOKINGS,
        ("POST", "/bookings/{booking_id}"): Rule.BOOKING,
        ("POST", "/bookings/{booking_id}/cancel"): Rule.BOOKING,
        ("GET", "/machines/{machine_id}"): Rule.PAGES,
        ("GET", "/machines/{machine_id}/history"): Rule.PAGES,
        ("GET", "/machines/{machine_id}/aids"): Rule.RECORDS,
        ("GET", "/fragments/machines/{machine_id}"): Rule.PAGES,
        ("GET", "/fragments/machines/{machine_id}/curves"): Rule.PAGES,
        ("GET", "/fragments/machines/{machine_id}/payer"): Rule.PAGES,
        ("GET", "/inbox"): Rule.ALERTS,
        ("POST", "/inbox"): Rule.CARE,
        ("GET", "/fragments/inbox"): Rule.ALERTS,
        ("GET", "/alerts/{alert_id}"): Rule.ALERTS,
        ("POST", "/alerts/{alert_id}"): Rule.CARE,
        ("GET", "/rules"): Rule.CARE,
        ("GET", "/rules/{rule_id}"): Rule.CARE,
        ("POST", "/rules/{rule_id}"): Rule.CARE,
        ("GET", "/plan"): Rule.CARE,
        ("GET", "/plan/figures"): Rule.CARE,
        ("GET", "/plan/windows"): Rule.CARE,
        ("POST", "/plan/windows"): Rule.CARE,
        ("POST", "/plan/windows/{window_id}"): Rule.CARE,
        ("GET", "/work-orders"): Rule.CARE,
        ("POST", "/work-orders"): Rule.CARE,
        ("GET", "/work-orders/{order_number}"): Rule.CARE,
        ("POST", "/work-orders/{order_number}"): Rule.CARE,
        ("POST", "/work-orders/{order_number}/{deed}"): Rule.CARE,
        ("POST", "/work-orders/{order_number}/photos"): Rule.CARE,
        ("POST", "/work-orders/{order_number}/photos/{photo_id}/remove"): Rule.CARE,
        ("GET", "/tablet/{machine_id}"): Rule.FLOOR,
        ("GET", "/fragments/tablet/{machine_id}/{part}"): Rule.FLOOR,
        ("GET", "/tablet/{machine_id}/payer"): Rule.FLOOR,
        ("POST", "/tablet/{machine_id}/payer"): Rule.FLOOR,
        ("POST", "/tablet/{machine_id}/stops"): Rule.FLOOR,
        ("POST", "/tablet/{machine_id}/calls"): Rule.FLOOR,
        ("GET", "/tablet/{machine_id}/card"): Rule.FLOOR,
        ("GET", "/wall"): Rule.PAGES,
        ("GET", "/fragments/wall"): Rule.PAGES,
        ("GET", "/wall/open/{token}"): Rule.PUBLIC,
        ("POST", "/wall/open/{token}"): Rule.PUBLIC,
        ("GET", "/decide"): Rule.CHANGES,
        ("GET", "/decide/correction"): Rule.CHANGES,
        ("POST", "/decide/correction"): Rule.CHANGES,
        ("POST", "/decide/use"): Rule.CHANGES,
        ("POST", "/decide/corrections"): Rule.CHANGES,
        ("POST", "/decide/contests"): Rule.CHANGES,
        ("GET", "/closing"): Rule.CHANGES,
        ("POST", "/closing"): Rule.CHANGES,
        ("POST", "/closing/look"): Rule.CHANGES,
        ("POST", "/closing/events"): Rule.CHANGES,
        ("POST", "/closing/mails"): Rule.CHANGES,
        ("POST", "/closing/verify"): Rule.CHANGES,
        ("GET", "/administration"): Rule.CHANGES,
        ("GET", "/administration/audit"): Rule.CHANGES,
        ("GET", "/administration/consortium"): Rule.CHANGES,
        ("POST", "/administration/consortium"): Rule.CHANGES,
        ("GET", "/administration/import/{part}"): Rule.CHANGES,
        ("POST", "/administration/import/{part}"): Rule.CHANGES,
        ("GET", "/administration/people"): Rule.CHANGES,
        ("GET", "/administration/people/{person_id}"): Rule.CHANGES,
        ("POST", "/administration/people/{person_id}"): Rule.CHANGES,
        ("POST", "/administration/people/{person_id}/deeds"): Rule.CHANGES,
        ("GET", "/administration/attribution"): Rule.CHANGES,
        ("POST", "/administration/attribution"): Rule.CHANGES,
        ("POST", "/administration/attribution/{rule_id}/remove"): Rule.CHANGES,
        ("GET", "/administration/escalation"): Rule.CHANGES,
        ("POST", "/administration/escalation"): Rule.CHANGES,
        ("POST", "/administration/escalation/test"): Rule.CHANGES,
        ("GET", "/administration/hours"): Rule.CHANGES,
        ("GET", "/administration/hours/{calendar_id}"): Rule.CHANGES,
        ("POST", "/administration/hours/{calendar_id}"): Rule.CHANGES,
        ("POST", "/administration/hours/{calendar_id}/remove"): Rule.CHANGES,
        ("GET", "/administration/keys"): Rule.CHANGES,
        ("POST", "/administration/keys"): Rule.CHANGES,
        ("POST", "/administration/keys/{key_id}/remove"): Rule.CHANGES,
        ("GET", "/administration/{part}"): Rule.CHANGES,
        ("GET", "/administration/{part}/{row_id}"): Rule.CHANGES,
        ("POST", "/administration/{part}/{row_id}"): Rule.CHANGES,
        ("POST", "/administration/agents/{row_id}/code"): Rule.CHANGES,
        ("GET", "/administration/machines/{machine_id}/files"): Rule.CHANGES,
        ("POST", "/administration/machines/{machine_id}/files"): Rule.CHANGES,
        ("POST", "/administration/machines/{machine_id}/files/{file_id}/remove"): Rule.CHANGES,
        ("GET", "/sign-in"): Rule.PUBLIC,
        ("POST", "/sign-in"): Rule.PUBLIC,
        ("POST", "/sign-in/code"): Rule.PUBLIC,
        ("POST", "/sign-out"): Rule.PUBLIC,
        ("GET", "/forgotten"): Rule.PUBLIC,
        ("POST", "/forgotten"): Rule.PUBLIC,
        ("GET", "/account"): Rule.OWN,
        ("GET", "/account/messages"): Rule.OWN,
        ("POST", "/account/messages/channels"): Rule.OWN,
        ("POST", "/account/messages/channels/{channel_id}"): Rule.OWN,
        ("POST", "/account/messages/hours"): Rule.OWN,
        ("POST", "/account/sessions/end"): Rule.OWN,
        ("POST", "/account/password"): Rule.OWN,
        ("POST", "/account/second-factor"): Rule.OWN,
        ("POST", "/account/second-factor/confirm"): Rule.OWN,
        ("POST", "/account/second-factor/remove"): Rule.OWN,
        ("GET", "/invitation/{token}"): Rule.PUBLIC,
        ("POST", "/invitation/{token}"): Rule.PUBLIC,
        ("GET", "/static/{name}"): Rule.PUBLIC,
        ("GET", "/service-worker.js"): Rule.PUBLIC,
        ("GET", "/manifest.webmanifest"): Rule.PUBLIC,
        ("GET", "/offline"): Rule.PUBLIC,
    },
)
"""What each method and path template demands."""


def rule_of(method: str, template: str) -> Rule | None:
    """Return what a route demands; None for a route without a rule, which nobody may use."""
    return RULES.get((method, template))


def allows(rule: Rule | None, role: Role) -> bool:
    """Tell whether a role passes a rule. No rule lets nobody pass."""
    return rule is not None and role in ROLES[rule]

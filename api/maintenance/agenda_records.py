"""What is due, as a calendar program shows it: services of the plan by their forecast, work orders by their day."""

from __future__ import annotations

from typing import TYPE_CHECKING

from api.bookings.feeds import Due
from api.maintenance import alerts_records, orders_records

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from api.access.scope import Scope


def due(session: Session, scope: Scope) -> list[Due]:
    """Return what a caller may see, the next first; what has no forecast and no day is left out."""
    places = alerts_records.places(session, scope)
    orders = orders_records.listed(session, scope, state="open", machine=None)
    ordered = {(row.machine, row.rule) for row in orders if row.rule and row.due}
    found = [
        Due(f"plan-{each['machine']}-{each['rule']}-{each['since']}", each["due"], places[each["machine"]].name,
            each["title"])
        for each in orders_records.plan(session, scope)
        if each["due"] and (each["machine"], each["rule"]) not in ordered
    ]  # fmt: skip
    found += [
        Due(f"work-order-{row.number}", row.due, places[row.machine].name, f"{row.title} ({row.number})")
        for row in orders
        if row.due and row.machine in places
    ]
    return sorted(found, key=lambda each: (each.at, each.id))

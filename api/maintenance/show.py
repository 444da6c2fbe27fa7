"""Alerts, rules and work orders as plain values that answers carry."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from api.maintenance import alerts_records, wording
from api.maintenance.rules import KINDS
from shopfloor.periods import format_instant

if TYPE_CHECKING:
    from collections.abc import Mapping

    from api.maintenance.alerts_records import Deed, Seen
    from api.maintenance.outbox import Delivery
    from api.maintenance.rules import Rule
    from api.maintenance.tables import PlannedWindow, RuleChange, Spare, WorkOrder


def instant(stamp: int | None) -> str | None:
    """Return an instant as text, None for none."""
    return format_instant(stamp) if stamp else None


def alert(seen: Seen) -> dict[str, Any]:
    """Return an alert as a list shows it."""
    row, place, held, rule = seen
    state = (
        "withdrawn"
        if row.withdrawn is not None
        else "closed"
        if row.closed
        else "returned"
        if row.returned
        else "active"
    )
    evidence = row.alarms[0][7] if row.alarms else {}
    return {
        "id": row.id,
        "machine": place.machine,
        "edge": place.edge,
        "name": place.name,
        "title": alerts_records.title_of(rule, row),
        "severity": row.severity,
        "state": state,
        "since": format_instant(row.since),
        "raised": format_instant(row.raised),
        "returned": instant(row.returned),
        "closed": instant(row.closed),
        "known": format_instant(row.known),
        "is_past": row.is_past,
        "activations": row.activations,
        "rule": row.rule,
        "rule_words": wording.describe(rule, "it") if rule else "",
        "source": rule.source if rule else "",
        "advice": str(evidence.get("advice") or (rule.advice_it or rule.advice if rule else "")),
        "taken_by": held.taken_by or None,
        "shelved_until": instant(held.shelved_until),
        "shelved_reason": held.shelved_reason,
        "assigned_to": held.assigned_to,
        "hides": list(row.hides),
    }


def to_firm(shown: Mapping[str, Any]) -> dict[str, Any]:
    """Return an alert as the firm sees whose job it concerned: what was sent to people, and their work, are not its."""
    return {**shown, **({"deliveries": [], "work_orders": []} if "deliveries" in shown else {})}


def alarms(seen: Seen) -> list[dict[str, Any]]:
    """Return the alarms of an alert, the first cause first."""
    rule = seen.rule
    return [
        {
            "rule": each[2],
            "subject": each[3],
            "title": wording.title_of(rule if rule and rule.id == each[2] else None, each[2], each[3], each[7], "it"),
            "what": each[4],
            "at": format_instant(each[0]),
            "since": format_instant(each[5]),
            "severity": each[6],
            "evidence": each[7],
        }
        for each in sorted(seen.row.alarms, key=lambda each: int(each[5]))
    ]


def deed(row: Deed) -> dict[str, Any]:
    """Return what somebody did."""
    return {"kind": row.kind, "at": format_instant(row.at), "by": row.by_name, "note": row.note,
            "until": instant(row.until), "to": row.assignee}  # fmt: skip


def delivery(each: Delivery, names: Mapping[str, str]) -> dict[str, Any]:
    """Return a message to somebody, with the channel's name in place of its id."""
    return {
        "channel": names.get(each.channel, each.channel),
        "status": str(each.status),
        "kind": each.message.kind,
        "due": format_instant(each.due),
        "attempts": [
            {"at": format_instant(tried.at), "answer": str(tried.answer), "words": tried.words}
            for tried in each.attempts
        ],
    }


def rule(each: Rule) -> dict[str, Any]:
    """Return a rule as it holds."""
    kind = next(name for name, kind in KINDS.items() if isinstance(each.how, kind))
    return {
        "id": each.id,
        "version": each.version,
        "kind": kind,
        "title": each.title_it or each.title,
        "signal": each.signal,
        "unit": each.unit,
        "severity": each.severity,
        "enabled": each.enabled,
        "words": wording.describe(each, "it"),
        "source": each.source,
        "advice": each.advice_it or each.advice,
        "values": {name: _plain(value) for name, value in asdict(each.how).items()},
        "kinds": list(each.kinds),
    }


def rule_change(row: RuleChange) -> dict[str, Any]:
    """Return a version of a rule that somebody made."""
    return {"version": row.version, "machine": row.machine, "values": row.values, "source": row.source,
            "at": format_instant(row.at), "by": row.by}  # fmt: skip


def work_order(row: WorkOrder) -> dict[str, Any]:
    """Return a work order."""
    plain = {name: getattr(row, name) for name in ("number", "machine", "rule", "title", "text", "state", "assignee",
             "opened_by", "closed_by", "minutes", "parts")}  # fmt: skip
    return plain | {
        "alert": row.incident,
        "opened": format_instant(row.opened),
        "due": instant(row.due),
        "done": instant(row.done),
        "closed": instant(row.closed),
        "is_locked_out": row.lock_out is not None and row.released is None,
        "released": instant(row.released),
        "return_check": row.return_check,
    }


def planned(each: Mapping[str, Any]) -> dict[str, Any]:
    """Return a service of the plan."""
    names = ("machine", "rule", "title", "used", "left", "unit", "by")
    return {name: each[name] for name in names} | {"last": instant(each["since"]), "due": instant(each["due"])}


def spare(row: Spare) -> dict[str, Any]:
    """Return a spare part."""
    names = ("id", "machine", "name", "part_number", "supplier", "place", "stock", "least")
    return {name: getattr(row, name) for name in names}


def window(row: PlannedWindow) -> dict[str, Any]:
    """Return a planned window."""
    return {"id": row.id, "site": row.site, "machine": row.machine, "start": format_instant(row.start),
            "end": format_instant(row.end), "reason": row.reason}  # fmt: skip


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return list(value)
    return dict(value) if hasattr(value, "items") else value

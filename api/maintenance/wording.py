"""What a message says: what, since when, on what evidence, by which rule, and what to do. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from shopfloor.periods import DAY, HOUR, SECOND, to_datetime

if TYPE_CHECKING:
    from collections.abc import Mapping
    from zoneinfo import ZoneInfo

    from api.maintenance.alarms import Change
    from api.maintenance.notifications import Message
    from api.maintenance.rules import Rule
    from shopfloor.samples import Value

_HEADS = {"new": "", "more": "More: ", "again": "Still: ", "escalated": "Nobody has answered: "}
_NOT_EVIDENCE = {"advice", "source", "unit", "item", "code", "text", "class"}


class Words(NamedTuple):
    """A message in words.

    Attributes:
        subject: one line.
        body: the rest, plain text.
    """

    subject: str
    body: str


def write(message: Message, rules: Mapping[str, Rule], *, machine: str, zone: ZoneInfo, link: str = "") -> Words:
    """Put a message into words.

    Args:
        message: its first alarm is the first cause.
        rules: by id.
        machine: what people call it.
        zone: civil time of the reader.
        link: where the incident is shown; left out when empty.
    """
    first, *others = message.alarms
    title = _title(first, rules)
    lines = [f"{machine}: {title}.", f"Since {_local(first.since, zone)} ({_span(message.at - first.since)})."]
    if evidence := _evidence(first.evidence):
        lines.append(f"Measured: {evidence}.")
    rule = rules.get(first.rule)
    if rule is not None:
        lines.append(f"Rule: {rule.id}, version {rule.version}. Source of the limit: {rule.source}.")
    advice = str(first.evidence.get("advice", "")) or (rule.advice if rule else "")
    if advice:
        lines.append(f"What to do: {advice}")
    if others:
        lines.append("With it:")
        lines += [f"- {_local(each.since, zone)}: {_title(each, rules)}" for each in others[:20]]
        if len(others) > 20:  # noqa: PLR2004 - a message is read on a phone
            lines.append(f"- and {len(others) - 20} more")
    if link:
        lines.append(link)
    return Words(f"{_HEADS.get(message.kind, '')}{machine}: {title}", "\n".join(lines))


def _title(change: Change, rules: Mapping[str, Rule]) -> str:
    if text := change.evidence.get("text"):
        return f"{text} ({change.evidence.get('code', '')})"
    rule = rules.get(change.rule)
    about = change.subject.replace("|", " ").removesuffix(".double").replace("_", " ")
    return f"{rule.title if rule else change.rule}{f' ({about})' if about else ''}"


def _evidence(evidence: Mapping[str, Value]) -> str:
    unit = evidence.get("unit", "")
    parts = []
    for name, value in evidence.items():
        if name in _NOT_EVIDENCE or value == "":
            continue
        shown = f" {unit}" if unit and name in {"value", "usual", "deviation"} else ""
        parts.append(f"{name.replace('_', ' ')} {value}{shown}")
    return ", ".join(parts)


def _local(stamp: int, zone: ZoneInfo) -> str:
    return to_datetime(stamp).astimezone(zone).strftime("%Y-%m-%d %H:%M")


def _span(nanoseconds: int) -> str:
    if nanoseconds < 2 * HOUR:
        return f"{max(0, nanoseconds) // (60 * SECOND)} min"
    return f"{nanoseconds // HOUR} h" if nanoseconds < 2 * DAY else f"{nanoseconds // DAY} days"

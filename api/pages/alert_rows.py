"""Alerts as rows of the inbox and facts of their own page: texts that are ready to be shown, in order of need. Pure."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from api.maintenance import alerts_records, wording
from api.maintenance.personal_records import ERASED
from api.maintenance.rules import Service
from api.pages.figures import number, unit
from api.pages.times import duration, local, moment
from api.pages.words import NB, mark
from shopfloor.periods import HOUR

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from zoneinfo import ZoneInfo

    from api.maintenance.alerts_records import Seen
    from api.maintenance.rules import Rule
    from api.pages.words import Words

TABS: Mapping[str, str] = MappingProxyType(
    {
        "new": mark("New"),
        "taken": mark("Taken"),
        "shelved": mark("Shelved"),
        "closed": mark("Closed"),
        "past": mark("Past"),
    }
)
"""The tabs of the inbox."""
PRIORITIES: Mapping[str, str] = MappingProxyType(
    {
        "critical": mark("Critical"),
        "high": mark("High"),
        "attention": mark("Attention"),
        "due": mark("Service due"),
    }
)
"""Priorities in order of need: mark and word."""
_SEVERITIES: Mapping[str, str] = MappingProxyType({"high": "critical", "medium": "high", "low": "attention"})
"""Priority of each severity."""
_COUNTED_SECONDS = "s"


class Teller(NamedTuple):
    """What texts are made with.

    Attributes:
        now: the instant of the page.
        zone: civil time of the reader.
        say: says texts.
        places: where each machine stands, by its id.
    """

    now: int
    zone: ZoneInfo
    say: Words
    places: Mapping[str, str]


class AlertRow(NamedTuple):
    """An alert in the inbox.

    Attributes:
        id: of the alert.
        priority: see `PRIORITIES`.
        mark: filled while nobody has it, an outline when somebody has.
        name: of the machine or agent.
        site: where it is.
        title: what it is about.
        detail: second line.
        value: the measured figure it was raised on, empty for none.
        limit: what it is compared with.
        used_percent: of a service's interval, None for another alert.
        age: since how long.
        since: since when.
        holder: who has it, empty for nobody.
        until: end of a shelving, empty for none.
    """

    id: str
    priority: str
    mark: str
    name: str
    site: str
    title: str
    detail: str
    value: str
    limit: str
    used_percent: str | None
    age: str
    since: str
    holder: str
    until: str


class Group(NamedTuple):
    """Rows of one priority."""

    mark: str
    name: str
    rows: list[AlertRow]


def tab_of(seen: Seen, now: int) -> str:
    """Return the tab of the inbox that an alert that is open belongs to."""
    if seen.held.shelved_until > now:
        return "shelved"
    return "taken" if seen.held.taken_by or seen.held.assigned_to else "new"


def priority_of(seen: Seen) -> str:
    """Return how soon a person should act."""
    return priority(seen.rule, seen.row.severity)


def priority(rule: Rule | None, severity: str) -> str:
    """Return the priority of what a rule says with a severity: service that is due has one of its own."""
    if rule is not None and isinstance(rule.how, Service):
        return "due"
    return _SEVERITIES.get(severity, "attention")


def evidence_of(seen: Seen) -> Mapping[str, Any]:
    """Return what the first alarm was raised on; nothing where it is not kept."""
    row = seen.row
    found = next((each for each in row.alarms if (each[2], each[3]) == (row.rule, row.subject)), None)
    evidence: Mapping[str, Any] = found[7] if found else {}
    return evidence


def row_of(seen: Seen, teller: Teller) -> AlertRow:
    """Return an alert as the inbox shows it."""
    now, zone, say, places = teller
    row, place, held = seen.row, seen.place, seen.held
    rank = priority_of(seen)
    holder = named(held.taken_by or held.assigned_to, say)
    is_shelved = held.shelved_until > now
    value, limit, used = _figures(evidence_of(seen), say)
    today = local(now, zone).date()
    return AlertRow(
        id=row.id,
        priority=rank,
        mark=f"{rank}-owned" if holder or is_shelved or row.closed else rank,
        name=place.name,
        site=places.get(place.machine or "", ""),
        title=alerts_records.title_of(seen.rule, row, say.language),
        detail=_detail(seen, say),
        value=value,
        limit=limit,
        used_percent=used if rank == "due" else None,
        age=duration((row.returned or row.closed or now) - row.since, say),
        since=moment(row.since, today, zone, say),
        holder=holder,
        until=moment(held.shelved_until, today, zone, say) if is_shelved else "",
    )


def named(who: str, say: Words) -> str:
    """Return a name as it is read: the staff, for a firm that is told no names, and who was erased, in words."""
    if who.startswith(ERASED):
        return say("a person who was erased")
    return say("maintenance") if who == alerts_records.STAFF else who


def groups(rows: Iterable[AlertRow], say: Words) -> list[Group]:
    """Return rows by priority, each as they came; a priority that nothing has is left out."""
    every = list(rows)
    found = [
        Group(name, say(word), [each for each in every if each.priority == name]) for name, word in PRIORITIES.items()
    ]
    return [each for each in found if each.rows]


def words_of_rule(rule: Rule, say: Words) -> str:
    """Return what a rule judges by, in words, with units as people write them."""
    return wording.describe(replace(rule, unit=unit(rule.unit)), say.language)


def _detail(seen: Seen, say: Words) -> str:
    """Say the rule in words, what else belongs to it, and whether it has come back to normal."""
    row, rule = seen.row, seen.rule
    parts = [words_of_rule(rule, say)] if rule is not None else []
    if row.returned and not row.closed:
        parts.insert(0, say("cleared, not closed"))
    if row.activations > 1:
        parts.append(say.plural("%(n)s time", "%(n)s times", row.activations))
    if row.hides:
        parts.append(say.plural("it hides %(n)s other", "it hides %(n)s others", len(row.hides)))
    return " · ".join(part for part in parts if part)


def _figures(evidence: Mapping[str, Any], say: Words) -> tuple[str, str, str]:
    """Return the figure of the evidence, what it is compared with, and the share of a service's interval in percent."""
    kind = str(evidence.get("unit", ""))
    used, interval = evidence.get("used"), evidence.get("interval")
    if isinstance(used, int | float):
        if not isinstance(interval, int | float) or not interval:
            return "", "", "0"
        share = f"{min(100.0, 100 * used / interval):.1f}"
        return counted(used, kind, say), say("of %(interval)s", interval=counted(interval, kind, say)), share
    value, limit, usual = evidence.get("value"), evidence.get("limit"), evidence.get("usual")
    if not isinstance(value, int | float) or isinstance(value, bool):
        return "", "", ""
    shown = f"{number(value, say)}{NB}{unit(kind)}".strip()
    if isinstance(usual, int | float):
        return shown, say("usual %(value)s", value=number(usual, say)), ""
    if isinstance(limit, int | float):
        return shown, say("limit %(value)s", value=number(limit, say)), ""
    return shown, "", ""


def counted(value: float, kind: str, say: Words) -> str:
    """Write a counter; seconds as hours, which is how people plan service."""
    if kind == _COUNTED_SECONDS:
        return f"{number(value / 3600, say, decimals=0)}{NB}h"
    return f"{number(value, say)}{NB}{unit(kind)}".strip()


def stretch(seen: Seen, now: int, spans: Sequence[int]) -> int:
    """Return the shortest of some spans in hours that shows an alert's beginning and what was before."""
    row = seen.row
    end = row.returned or row.closed or now
    return next((each for each in spans if (end - row.since) * 4 <= each * HOUR * 3), spans[-1])

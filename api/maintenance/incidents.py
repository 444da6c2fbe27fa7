"""Incidents: what people are told of, made of the alarms that have one cause. Pure.

Alarms of one machine that come within half an hour of one another, or while it has not worked since something grave,
are one incident; its first alarm names it. An edge that has fallen silent is the cause of its machines' silence: it is
taken first, and hides them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from api.maintenance.alarms import WORKED_SECONDS, Change, What
from api.maintenance.rules import SEVERITIES
from shopfloor.periods import SECOND, format_instant

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

GROUP_SECONDS = 1800
"""Alarms that come so soon after one another are of one incident."""
_COMING = (What.RAISED, What.AGAIN)


@dataclass(slots=True)
class Incident:
    """One thing that happened to a machine, or to an edge.

    Attributes:
        machine: whose.
        first: the alarm's change that opened it, the first cause known.
        severity: the gravest so far.
        alarms: identity of each alarm, with its last change.
        activity: the last time that an alarm came or returned.
        activations: how often an alarm came.
        worked: how much the machine had worked at the last activity.
        returned_at: when the last active alarm returned; 0 while one is active.
        closed_at: when the last alarm was closed; 0 while it is open.
        hides: machines or signals whose alarms it hides.
        payer: the firm whose job ran when it began, empty for none.
    """

    machine: str
    first: Change
    severity: str
    alarms: dict[str, Change] = field(default_factory=dict)
    activity: int = 0
    activations: int = 0
    worked: float = 0.0
    returned_at: int = 0
    closed_at: int = 0
    hides: set[str] = field(default_factory=set)
    payer: str = ""

    @property
    def id(self) -> str:
        """Identity, the same whenever it is computed."""
        return f"{self.machine}@{format_instant(self.first.since)}/{self.first.rule}/{self.first.subject}"

    @property
    def since(self) -> int:
        """When the first condition began."""
        return self.first.since

    @property
    def is_open(self) -> bool:
        """Whether an alarm of it is not closed."""
        return not self.closed_at

    @property
    def is_active(self) -> bool:
        """Whether an alarm of it has not returned."""
        return self.is_open and not self.returned_at

    @property
    def is_silence(self) -> bool:
        """Whether nothing is known now of what it is about; what else is found of an edge silences no machine."""
        return self.is_open and any(each.what in _COMING and "last_proof" in each.evidence
                                    for each in self.alarms.values())  # fmt: skip

    def take(self, change: Change) -> None:
        """Take in what became of one of its alarms, or of one that joins it."""
        if change.what in _COMING:
            self.activations += 1
            if SEVERITIES.index(change.severity) > SEVERITIES.index(self.severity):
                self.severity = change.severity
        if change.what in {*_COMING, What.RETURNED}:
            self.activity, self.worked = change.stamp, change.worked_seconds
        self.alarms[change.alarm] = change if change.what in {*_COMING, What.RETURNED, What.CLOSED} else (
            self.alarms.get(change.alarm, change)
        )  # fmt: skip
        states = [each.what for each in self.alarms.values()]
        is_active = any(what in _COMING for what in states)
        self.returned_at = 0 if is_active else self.returned_at or change.stamp
        self.closed_at = change.stamp if all(what is What.CLOSED for what in states) else 0


class IncidentFold:
    """Gathers changes into incidents, in the order of event time; parents of an instant come first.

    Args:
        edges: the edge of each machine.
    """

    def __init__(self, edges: Mapping[str, str] | None = None) -> None:
        self.incidents: list[Incident] = []
        self._edges = edges or {}
        self._open: dict[str, list[Incident]] = {}
        self._of_alarm: dict[str, Incident] = {}

    def take(self, changes: Iterable[Change]) -> list[tuple[Incident, Change]]:
        """Take in changes.

        Args:
            changes: sorted by `order`, none before those taken in already.

        Returns:
            Each change with its incident; what is hidden by its cause, or only for information, has none.
        """
        found = []
        for change in changes:
            incident = self._one(change)
            if incident is not None:
                found.append((incident, change))
        return found

    def order(self, change: Change) -> tuple[int, bool, str, str, str, str]:
        """Return what changes are sorted by: time, then edges before machines."""
        is_machine = change.machine in self._edges
        return (change.stamp, is_machine, change.machine, change.rule, change.subject, change.what)

    def _one(self, change: Change) -> Incident | None:
        incident = self._of_alarm.get(change.alarm)
        if incident is None and change.what in _COMING and change.severity != "information":
            parent = self._parent(change)
            if parent is not None:
                parent.hides.add(change.machine)
                return None
            incident = self._join(change) or self._open_new(change)
            self._of_alarm[change.alarm] = incident
        if incident is None:
            return None
        incident.take(change)
        if change.what is What.CLOSED:
            del self._of_alarm[change.alarm]
        if not incident.is_open:
            self._open[incident.machine].remove(incident)
        return incident

    def _parent(self, change: Change) -> Incident | None:
        """Return the active incident of the edge that explains a machine's silence."""
        edge = self._edges.get(change.machine)
        if edge is None or "last_proof" not in change.evidence:
            return None
        return next((each for each in self._open.get(edge, ()) if each.is_silence), None)

    def _join(self, change: Change) -> Incident | None:
        for incident in reversed(self._open.get(change.machine, ())):
            is_near = change.stamp - incident.activity <= GROUP_SECONDS * SECOND
            is_edge = change.machine.startswith(
                "edge/"
            )  # its work is not counted, and each thing found of it is its own
            stands = (
                not is_edge and incident.severity == "high" and change.worked_seconds - incident.worked < WORKED_SECONDS
            )
            is_same = incident.first.rule == change.rule and not incident.first.subject  # a service that is now overdue
            if is_near or stands or is_same:
                return incident
        return None

    def _open_new(self, change: Change) -> Incident:
        incident = Incident(change.machine, change, change.severity)
        self.incidents.append(incident)
        self._open.setdefault(change.machine, []).append(incident)
        return incident
